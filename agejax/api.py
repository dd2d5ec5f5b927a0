"""The public functions of `agejax`.

They print nothing unless `progress` is set, raise `UserError` for what their caller can mend, and
leave signal handlers, logging levels, warning filters, the environment and `sys.path` as they are.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, cast

from ml_collections import ConfigDict

from agejax import config as configs
from agejax.checkpoints.run_dir import of_the_run
from agejax.config import sweeps
from agejax.config.keys import Settings
from agejax.errors import UserError
from agejax.evaluation.evaluate import evaluate as _evaluate
from agejax.experiments.challenge import CONFIDENCE, PASS_UNDER, Asked
from agejax.experiments.compare import compare as _compare
from agejax.experiments.ensemble import ensemble as _ensemble
from agejax.experiments.recalibrate import recalibrate
from agejax.exporters import formats
from agejax.figures import Artefact, BeforeAndAfter, ComparisonFigures, EachAndTogether, Figures
from agejax.inference.predictor import Predictor as Predictor
from agejax.inference.predictor import load as load
from agejax.reports.write import write_report
from agejax.training.loop import train as _train
from agejax.utils.notes import printed
from agejax.utils.paths import AnyPath, expanded


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
        chosen = _config(config)
        if settings:
            chosen = chosen.copy_and_resolve_references()
            configs.update(chosen, settings)
        figures = _train(chosen, _path(workdir), save_on_signal=save_on_signal)
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
        known = None if config is None else _config(config)
        trust = () if known is None else configs.modules_of(known)
        found = of_the_run(_path(run), asked, trust, instead=known)
        return cast(Figures, _evaluate(found, _path(run)))


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
    paths = {name: [_path(run) for run in runs] for name, runs in sides.items()}
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
            _path(run),
            _path(out),
            faces=None if faces is None else str(_path(faces)),
            split=split,
            checkpoint=str(checkpoint),
            places=_places(data),
            settings=settings,
            challenge=None if asked is None else Asked(asked, pass_under, confidence),
            by=[by] if isinstance(by, str) else by,
        )
    return BeforeAndAfter(_path(out), cast(Figures, before), cast(Figures, after))


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
    with printed(progress):
        each, together = _ensemble(
            [_path(run) for run in runs],
            _path(out),
            faces=None if faces is None else str(_path(faces)),
            split=split,
            checkpoint=str(checkpoint),
            places=_places(data),
        )
    return EachAndTogether(_path(out), [cast(Figures, of) for of in each], cast(Figures, together))


def report(
    run: AnyPath,
    *,
    split: str = "test",
    checkpoint: str | int | None = None,
    attributes: AnyPath | None = None,
    faces: int = 12,
    out: AnyPath | None = None,
    progress: bool = False,
) -> Path:
    """Writes a run's evaluation as one HTML page, and returns where; evaluates first if needed.

    Args:
      run: the folder.
      split: whose evaluation.
      checkpoint: "best", "latest" or a step; None: the one that was evaluated.
      attributes: a CSV of `path` and other columns, to show figures by group.
      faces: how many of the best and worst are shown; 0 leaves faces out, and needs no data.
      out: the file; None: `eval/SPLIT.html` in the run.
      progress: prints notes and shows a progress bar.

    Raises:
      UserError: there is no run, it cannot be evaluated, or its data are not there.
    """
    if faces < 0:
        raise UserError(f"faces is {faces}; it must be at least 0")
    with printed(progress):
        return write_report(
            _path(run),
            split,
            checkpoint=None if checkpoint is None else str(checkpoint),
            attributes=None if attributes is None else _path(attributes),
            faces=faces,
            out=None if out is None else _path(out),
        )


def export(
    run: AnyPath | None,
    to: formats.To,
    out: AnyPath | None = None,
    *,
    checkpoint: str | int = "best",
    margin: float | None = None,
    ort: AnyPath | None = None,
    dtype: Literal["float16", "float32"] | None = None,
    tasks: Sequence[str] = (),
    licence: str | None = None,
    progress: bool = False,
) -> Artefact:
    """Writes a model for another runtime, checked in that runtime before it is left behind.

    Args:
      run: the folder, or a file of weights; None for the weights that come with agejax.
      to: "onnx", "stablehlo"; "web": a page that reads faces in the browser; or "weights": one file
        of safetensors, which `agejax.load` and the commands take like a run.
      out: the file, for "web" the folder; None: in `export/` of the run, of a file of weights in
        `export/` of the current folder.
      checkpoint: "best", "latest" or a step.
      margin: what crops show beyond the face on each side, as a share of it; None: the run's own.
      ort: for "web": the unpacked npm package onnxruntime-web; None: npm is asked for it.
      dtype: for "weights": "float16", the default, or "float32".
      tasks: those to keep, such as ("age", "gender"); empty for all.
      licence: of the training data, to be recorded where the run does not know it.
      progress: prints notes and shows a progress bar.

    Raises:
      UserError: there is no such run, what is needed is not installed, or the file gives other
        probabilities than the checkpoint.
    """
    with printed(progress):
        place, _, found = formats.export(
            None if run is None else _path(run),
            to,
            None if out is None else _path(out),
            checkpoint=str(checkpoint),
            margin=margin,
            ort=None if ort is None else _path(ort),
            dtype=dtype,
            tasks=(tasks,) if isinstance(tasks, str) else tuple(tasks),
            licence=licence,
        )
    return Artefact(place, found.faces, found.kind, found.probability, found.years)


def _config(given: ConfigDict | AnyPath) -> ConfigDict:
    if isinstance(given, ConfigDict):
        return given
    file = _path(given)
    config = configs.from_file(file)
    if sweeps.read(file, config, {}):
        raise UserError(f"{file} is a sweep, of many runs: agejax train --config {file}")
    return config


def _path(given: AnyPath) -> Path:
    return expanded(Path(given))


def _places(given: Mapping[str, AnyPath] | None) -> dict[str, str]:
    return {key: str(_path(value)) for key, value in (given or {}).items()}
