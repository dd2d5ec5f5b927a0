"""Runs: trained, evaluated, compared, and made into others."""

from collections.abc import Mapping, Sequence
from typing import cast

from ml_collections import ConfigDict

from agejax import config as configs
from agejax.api.arguments import config_of, path_of, places_of
from agejax.checkpoints.run_dir import of_the_run
from agejax.config.keys import Settings
from agejax.evaluation.evaluate import evaluate as _evaluate
from agejax.experiments.challenge import CONFIDENCE, PASS_UNDER, Asked
from agejax.experiments.combined import Way, combined
from agejax.experiments.compare import compare as _compare
from agejax.experiments.ensemble import ENSEMBLE
from agejax.experiments.recalibrate import recalibrate
from agejax.experiments.soup import SOUP
from agejax.figures import BeforeAndAfter, ComparisonFigures, EachAndTogether, Figures
from agejax.training.loop import train as _train
from agejax.utils.notes import printed
from agejax.utils.paths import AnyPath


def train(
    config: ConfigDict | AnyPath,
    workdir: AnyPath,
    *,
    settings: Settings | None = None,
    progress: bool = False,
    save_on_signal: bool = False,
) -> Figures:
    """Trains to `config.train.steps` and evaluates the best checkpoint.

    What `workdir` holds of this very run is resumed: a run that was stopped and started again ends
    with the weights of one that was not.

    Args:
      config: as `agejax.config.default` gives it, changed; or a Python file with a `get_config`.
      workdir: the folder of the run.
      settings: {"section.key": value}, changes to the config.
      progress: prints notes and shows a progress bar.
      save_on_signal: has SIGTERM, SIGINT and SIGHUP wait for the end of a step and save before they
        raise `Stopped`, a `KeyboardInterrupt`. Without, signals do what they always do.

    Returns:
      The figures of the best checkpoint on the split `config.eval.split`.

    Raises:
      UserError: a setting, the data or the folder is not as it must be, or the loss was not finite.
    """
    with printed(progress):
        chosen = config_of(config)
        if settings:
            chosen = chosen.copy_and_resolve_references()
            configs.update(chosen, settings)
        figures = _train(chosen, path_of(workdir), save_on_signal=save_on_signal)
    return cast(Figures, figures)


def evaluate(
    run: AnyPath,
    *,
    split: str = "test",
    checkpoint: str | int = "best",
    settings: Settings | None = None,
    config: ConfigDict | AnyPath | None = None,
    progress: bool = False,
) -> Figures:
    """Evaluates a checkpoint of a run on a split, and writes that into the run's `eval/`.

    Args:
      run: the folder.
      split: whose faces.
      checkpoint: "best", "latest" or a step.
      settings: {"section.key": value}, changes to the run's config, as of where its data lies.
      config: the config of the run, or its file. Needed where the run was trained elsewhere, or its
        network is code of your own, and for nothing but that: it says that you know these.
      progress: prints notes and shows a progress bar.

    Raises:
      UserError: there is no such run, checkpoint or split, or its data are not there.
    """
    asked = {"eval.split": split, "eval.checkpoint": str(checkpoint), **(settings or {})}
    with printed(progress):
        known = None if config is None else config_of(config)
        trust = () if known is None else configs.modules_of(known)
        found = of_the_run(path_of(run), asked, trust, instead=known)
        return cast(Figures, _evaluate(found, path_of(run)))


def compare(
    sides: Mapping[str, Sequence[AnyPath]] | Sequence[AnyPath],
    *,
    split: str = "test",
    against: str | None = None,
) -> ComparisonFigures:
    """Compares runs, or ways of training of several runs each, on the same faces.

    Args:
      sides: {name: runs}, such as the seeds of one way of training; or runs, each a side of its
        own by the name of its path. A table of anything's predictions (.csv of path, age, gender)
        does for a run, or an `.npz` file, where at least one side has the true ages.
      split: whose evaluations are compared.
      against: the side that the others are compared with; None for the best.

    Raises:
      UserError: a run is not evaluated on that split, or not on the same faces as the others.
    """
    if not isinstance(sides, Mapping):
        sides = {str(run): [run] for run in sides}
    paths = {name: [path_of(run) for run in runs] for name, runs in sides.items()}
    return cast(ComparisonFigures, _compare(paths, split, against))


def calibrate(
    run: AnyPath,
    out: AnyPath,
    *,
    faces: AnyPath | None = None,
    split: str = "validation",
    checkpoint: str | int = "best",
    adjust: float | None = None,
    mirror: float | None = None,
    threshold: int | Sequence[int] | None = None,
    pass_under: float = PASS_UNDER,
    confidence: float = CONFIDENCE,
    by: str | Sequence[str] = (),
    data: Mapping[str, AnyPath] | None = None,
    progress: bool = False,
) -> BeforeAndAfter:
    """Writes a run of the same weights whose probabilities and intervals are fitted anew.

    Args:
      run: the folder; it stays as it is.
      out: the folder of the new run.
      faces: a table of your own to fit to, in place of the run's data.
      split: whose faces; those that the run was trained on are left out.
      checkpoint: "best", "latest" or a step.
      adjust: reweights ages by how rare they are: 0 not at all, 1 as if all were equally frequent.
      mirror: averages with the mirror image, cut at each edge by this share of the side.
      threshold: an age, or several, in whole years, for which to find the challenge age at which
        few under it pass; it is in `after["calibration"]["challenge"]`.
      pass_under: the share of them that may pass.
      confidence: with which that is promised.
      by: "age" and "gender", or one of them: the intervals are fitted in each group of faces that
        are predicted alike.
      data: {"data.manual_dir" or "data.data_dir": folder}, where the run's data lies now.
      progress: prints notes and shows a progress bar.

    Raises:
      UserError: there is no such run, checkpoint or split, `out` is taken, or no face is left.
    """
    settings: dict[str, bool | float] = {}
    if adjust is not None:
        settings["tasks.age.logit_adjustment"] = adjust
    if mirror is not None:
        settings |= {"model.flip": True, "model.flip_cut": mirror}
    asked = [threshold] if isinstance(threshold, int) else threshold
    with printed(progress):
        before, after = recalibrate(
            path_of(run),
            path_of(out),
            faces=None if faces is None else str(path_of(faces)),
            split=split,
            checkpoint=str(checkpoint),
            places=places_of(data),
            settings=settings,
            challenge=None if asked is None else Asked(asked, pass_under, confidence),
            by=[by] if isinstance(by, str) else by,
        )
    return BeforeAndAfter(path_of(out), cast(Figures, before), cast(Figures, after))


def ensemble(
    runs: Sequence[AnyPath],
    out: AnyPath,
    *,
    faces: AnyPath | None = None,
    split: str = "validation",
    checkpoint: str | int = "best",
    data: Mapping[str, AnyPath] | None = None,
    progress: bool = False,
) -> EachAndTogether:
    """Writes a run whose model is those of several, their probabilities averaged.

    Args:
      runs: two or more, trained on the same data at the same size; they stay as they are.
      out: the folder of the new run.
      faces: a table of your own to calibrate with, in place of the runs' data.
      split: whose faces calibrate; those that were trained on are left out.
      checkpoint: "best", "latest" or a step, of each run.
      data: {"data.manual_dir" or "data.data_dir": folder}, where the first run's data lies now.
      progress: prints notes and shows a progress bar.

    Raises:
      UserError: a run is not there, or cannot be averaged with the first, or `out` is taken.
    """
    return _combined(ENSEMBLE, runs, out, faces, split, checkpoint, data, progress)


def soup(
    runs: Sequence[AnyPath],
    out: AnyPath,
    *,
    faces: AnyPath | None = None,
    split: str = "validation",
    checkpoint: str | int = "best",
    data: Mapping[str, AnyPath] | None = None,
    progress: bool = False,
) -> EachAndTogether:
    """Writes a run whose weights are the mean of those of several (Wortsman et al., ICML 2022).

    Running statistics of batch norm are averaged, too.

    Args:
      runs: two or more of one network, each fine-tuned from the same weights
        (`config.model.pretrained`), or checkpoints of one run; they stay as they are.
      out: the folder of the new run.
      faces: a table of your own to calibrate with, in place of the runs' data.
      split: whose faces calibrate; those that were trained on are left out.
      checkpoint: "best", "latest" or a step, of each run.
      data: {"data.manual_dir" or "data.data_dir": folder}, where the first run's data lies now.
      progress: prints notes and shows a progress bar.

    Raises:
      UserError: a run is not there, or cannot be averaged with the first, or `out` is taken.
    """
    return _combined(SOUP, runs, out, faces, split, checkpoint, data, progress)


def _combined(
    way: Way,
    runs: Sequence[AnyPath],
    out: AnyPath,
    faces: AnyPath | None,
    split: str,
    checkpoint: str | int,
    data: Mapping[str, AnyPath] | None,
    progress: bool,
) -> EachAndTogether:
    with printed(progress):
        each, together = combined(
            way,
            [path_of(run) for run in runs],
            path_of(out),
            faces=None if faces is None else str(path_of(faces)),
            split=split,
            checkpoint=str(checkpoint),
            places=places_of(data),
        )
    return EachAndTogether(
        path_of(out), [cast(Figures, of) for of in each], cast(Figures, together)
    )
