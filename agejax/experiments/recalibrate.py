"""Recalibrates a trained run, on faces of your own or with reweighted (logit-adjusted) classes."""

import dataclasses
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from agejax.checkpoints.checkpoint import Checkpoints
from agejax.checkpoints.run_dir import config_of, of_the_run, open_checkpoints, recorded
from agejax.checkpoints.same_data import check_same_data
from agejax.config import label_counts, tasks, to_json, update
from agejax.config.validation import check
from agejax.data.crop_margin import of_config
from agejax.data.faces import Faces
from agejax.errors import UserError
from agejax.evaluation.evaluate import reader_of, training_faces
from agejax.evaluation.summary import evaluation_figures, selection_error, validation_figures
from agejax.experiments.challenge import Asked, fit_challenges
from agejax.experiments.derived_run import (
    calibration_faces,
    changes_for,
    check_out,
    check_split,
    members_of,
    write_run,
)
from agejax.metrics import interval_groups
from agejax.metrics.calibration import LEVEL, Calibration, calibrated
from agejax.metrics.intervals import fit_by_group
from agejax.steps.model_factory import abstract_model
from agejax.utils.notes import note


def recalibrate(
    workdir: Path,
    out: Path,
    *,
    faces: str | None = None,
    split: str = "validation",
    checkpoint: str = "best",
    places: Mapping[str, Any] | None = None,
    settings: Mapping[str, Any] | None = None,
    challenge: Asked | None = None,
    by: Sequence[str] = (),
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Writes a run with the same weights and a newly fitted calibration.

    The new run can be evaluated, exported and used as `config.model.pretrained`, but its training
    cannot be resumed. A task for which the faces have no labels keeps its calibration.

    Args:
      workdir: the run; it is not changed.
      out: the folder of the new run.
      faces: a table of your own to fit the calibration on, instead of the run's data.
      split: the split to fit it on; faces that are also in the run's training split are excluded.
      checkpoint: "best", "latest" or a step.
      places: {"data.manual_dir" or "data.data_dir": folder} to use instead of the run's.
      settings: {"section.key": value} of settings for prediction: `model.flip`, `model.flip_cut`
        and `tasks.TASK.logit_adjustment`.
      challenge: the challenge ages to fit; the run's own are not kept, as they are of its old
        calibration.
      by: "age" and "gender", or one of them: the intervals are fitted in each group of faces that
        are predicted alike; the run's own groups are not kept either.

    Returns:
      The result of `evaluation_figures` on those faces with the old calibration, and with the new.

    Raises:
      UserError: there is no such run, checkpoint or split, `out` already exists, no face is left,
        none is under a threshold, or a setting cannot be changed without training.
    """
    settings, places = settings or {}, places or {}
    for key in settings:
        if not re.fullmatch(r"model\.flip(_cut)?|tasks\.\w+\.logit_adjustment", key):
            raise UserError(
                f"config.{key} is for training; only settings for prediction can be changed"
            )
    if challenge is not None:
        challenge.check()
    by = checked_groups(by)
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
    unchanged, config = of_the_run(workdir, table), of_the_run(workdir, {**table, **settings})
    calibration_set = calibration_faces(config, split, train)
    offset = old.offset
    if any(key.endswith("logit_adjustment") for key in settings):
        if train is None:
            raise UserError("logit_adjustment needs the class frequencies of the training faces")
        task_configs = tasks.read(shipped.tasks)
        offset = label_counts.logit_offsets(task_configs, train.labels, train.known, train.upto)

    to = Checkpoints(out)  # fails early if it cannot be written
    raw, readable = reader_of(config, weights)(calibration_set)
    figures, fitted = _fitted(old, offset, raw, calibration_set.where(readable))
    if by:
        fitted = _fitted_by_group(fitted, raw, calibration_set.where(readable), by)
    elif old.by_group:
        note("the intervals by group are of the old calibration and not kept; see --by")
    if challenge is not None:
        p = calibrated(raw, fitted)["age"]
        limits = fit_challenges(challenge, p, calibration_set.where(readable))
        fitted = dataclasses.replace(fitted, challenge=limits)
    elif lost := ", ".join(old.challenge):
        note(f"the challenge age of {lost} is of the old calibration and not kept; see --threshold")
    after = evaluation_figures(raw, fitted, calibration_set.where(readable))
    if config.model != unchanged.model:
        raw, readable = reader_of(unchanged, weights)(calibration_set)
    before = evaluation_figures(raw, old, calibration_set.where(readable))
    origin = {"run": str(workdir.absolute()), "step": step, "split": split, "n": fitted.n}
    origin |= {"members": members} if (members := members_of(workdir)) else {}
    to.margin = of_config(None, shipped.data.margin, checkpoints.crop_margin(step))
    checkpoints.copy(step, to, to_json(shipped), selection_error(figures), fitted)
    write_run(out, own, origin, [workdir], train)
    return before, after


def _fitted(
    old: Calibration,
    offset: Mapping[str, Sequence[float]],
    raw: dict[str, np.ndarray],
    faces: Faces,
) -> tuple[dict[str, Any], Calibration]:
    """The figures of the faces, and the fitted calibration; tasks without labels keep the old."""
    figures, fitted = validation_figures(raw, faces, offset)
    temperature = {**old.temperature, **fitted.temperature}
    widening = {**old.widening, **fitted.widening}
    return figures, Calibration(temperature, widening, fitted.n, offset)


def checked_groups(by: Sequence[str]) -> tuple[str, ...]:
    """The names of predicted tasks, in the order of groups' names.

    Raises:
      UserError: a name is not one of these.
    """
    names = tuple(name for name in interval_groups.BY if name in by)
    if unknown := [name for name in by if name not in names]:
        raise UserError(
            f"--by {unknown[0]!r:.60}: a group must be known when a face is predicted, so that it "
            f"can be by age and gender, as predicted; `agejax evaluate` prints the coverage by "
            f"true age, gender and each attribute"
        )
    return names


def _fitted_by_group(
    fitted: Calibration, raw: dict[str, np.ndarray], faces: Faces, by: Sequence[str]
) -> Calibration:
    """The calibration with widenings of predicted groups, from the faces of exact age."""
    age = faces.labels["age"]
    exact = faces.known["age"] & (age == faces.upto.get("age", age))
    needed = interval_groups.fewest(LEVEL)
    if exact.sum() < needed or "age" not in fitted.widening:
        raise UserError(
            f"--by: {exact.sum()} faces have an exact age; a {LEVEL:.0%} interval takes {needed}"
        )
    p = {task: of[exact] for task, of in calibrated(raw, fitted).items()}
    return dataclasses.replace(fitted, by_group=fit_by_group(p, age[exact], by))


def change_lines(before: dict[str, Any], after: dict[str, Any]) -> Iterator[str]:
    """Formats both results of `recalibrate` as a table."""
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
