"""A trained run that is read otherwise: calibrated to faces of your own, or to rare ages."""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from agejax.checkpoints.checkpoint import Checkpoints
from agejax.checkpoints.run_dir import config_of, of_the_run, open_checkpoints, recorded
from agejax.checkpoints.same_data import check_same_data
from agejax.config import tasks, to_json, update
from agejax.config.validation import check
from agejax.data.crop_margin import of_config
from agejax.data.faces import Faces
from agejax.errors import UserError
from agejax.evaluation.evaluate import reader_of, training_faces
from agejax.evaluation.summary import evaluation_figures, selection_error, validation_figures
from agejax.experiments.derived_run import (
    changes_for,
    check_out,
    check_split,
    teachers_of,
    write_run,
)
from agejax.metrics.calibration import Calibration
from agejax.steps.model_factory import abstract_model


def recalibrate(
    workdir: Path,
    out: Path,
    *,
    faces: str | None = None,
    split: str = "validation",
    checkpoint: str = "best",
    places: Mapping[str, Any] | None = None,
    settings: Mapping[str, Any] | None = None,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Writes a run of the same weights whose calibration is fitted anew.

    The new run can be evaluated, shipped and started from, but not trained on. A task of which the
    faces have no labels keeps its calibration.

    Args:
      workdir: the run; it stays as it is.
      out: the folder of the new one.
      faces: a table of one's own that teaches, in place of the run's data.
      split: whose faces teach; those that stand in the run's training split, too, are left out.
      checkpoint: "best", "latest" or a step.
      places: {"data.manual_dir" or "data.data_dir": folder}, where that is not the run's own.
      settings: {"section.key": value} of how faces are read: `model.flip`, `model.flip_cut` and
        `tasks.TASK.logit_adjustment`.

    Returns:
      What `evaluation_figures` says of those faces, by the old calibration and by the new.

    Raises:
      UserError: there is no such run, checkpoint or split, `out` is taken, no face is left, or
        another setting would need other weights.
    """
    settings, places = settings or {}, places or {}
    for key in settings:
        if not re.fullmatch(r"model\.flip(_cut)?|tasks\.\w+\.logit_adjustment", key):
            raise UserError(f"config.{key} is for training; only how faces are read can change")
    check_split(faces, split)
    check_out(out)
    check(of_the_run(workdir, settings))
    own = recorded(workdir)
    update(own, settings)
    checkpoints = open_checkpoints(workdir)
    step, shipped, old, weights = checkpoints.read(
        checkpoint,
        lambda step: (
            step,
            config_of(checkpoints, step),
            checkpoints.calibration(step),
            checkpoints.weights(step, abstract_model(own)[1]),
        ),
    )
    update(shipped, settings)
    train = training_faces(of_the_run(workdir, places))
    if train is not None:
        check_same_data(workdir, step, {"train": train}, allow=True)
    table = changes_for(faces, places)
    as_it_was, config = of_the_run(workdir, table), of_the_run(workdir, {**table, **settings})
    teachers = teachers_of(config, split, train)
    offset = old.offset
    if any(key.endswith("logit_adjustment") for key in settings):
        if train is None:
            raise UserError("how rare each class is, the training faces tell: they must be here")
        learnt = tasks.read(shipped.tasks)
        offset = tasks.logit_offsets(learnt, train.labels, train.known, train.upto)

    to = Checkpoints(out)  # whether it can be written shows now, not after minutes
    raw, readable = reader_of(config, weights)(teachers)
    figures, taught = _fitted(old, offset, raw, teachers.where(readable))
    after = evaluation_figures(raw, taught, teachers.where(readable))
    if config.model != as_it_was.model:
        raw, readable = reader_of(as_it_was, weights)(teachers)
    before = evaluation_figures(raw, old, teachers.where(readable))
    origin = {"run": str(workdir.absolute()), "step": step, "split": split, "n": taught.n}
    to.margin = of_config(None, shipped.data.margin, checkpoints.crop_margin(step))
    checkpoints.copy(step, to, to_json(shipped), selection_error(figures), taught)
    write_run(out, own, origin, [workdir], train)
    return before, after


def _fitted(
    old: Calibration,
    offset: Mapping[str, Sequence[float]],
    raw: dict[str, np.ndarray],
    faces: Faces,
) -> tuple[dict[str, Any], Calibration]:
    """The figures of those faces, and what they teach; of other tasks, what was known."""
    figures, taught = validation_figures(raw, faces, offset)
    temperature = {**old.temperature, **taught.temperature}
    widening = {**old.widening, **taught.widening}
    return figures, Calibration(temperature, widening, taught.n, offset)


def change_lines(before: dict[str, Any], after: dict[str, Any]) -> Iterator[str]:
    """Both figures of `recalibrate`, as lines for people."""
    yield f"{'':10}{'n':>7}{'MAE':>8}{'now':>7}{'inside 90%':>13}{'now':>8}"
    for name in after["groups"]["decade"]:
        old, new = (figures["groups"]["decade"][name] for figures in (before, after))
        yield _line(name, new["n"], old["mae"], new["mae"], old["coverage"], new["coverage"])
    if after["age"]["n"]:
        old, new = (figures["age"] for figures in (before, after))
        mae = (of["mae"]["median"] for of in (old, new))
        inside = (of["interval"]["coverage"] for of in (old, new))
        yield _line("all", new["n"], *mae, *inside)


def _line(name: str, n: int, *numbers: float | None) -> str:
    widths = ("8.2f", "7.2f", "13.1%", "8.1%")
    shown = (
        f"{'-':>{width.partition('.')[0]}}" if number is None else f"{number:{width}}"
        for number, width in zip(numbers, widths, strict=True)
    )
    return f"{name:10}{n:7,}{''.join(shown)}"
