"""Several runs made into one: what an ensemble and a soup have in common."""

import dataclasses
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from ml_collections import ConfigDict

from agejax.checkpoints.checkpoint import Checkpoints
from agejax.checkpoints.provenance import read_sessions, weights_sha256
from agejax.checkpoints.run_dir import check_is_folder, of_the_run, read_checkpoint, recorded
from agejax.checkpoints.same_data import check_same_data
from agejax.checkpoints.shipped import Shipped
from agejax.config import changes, to_json
from agejax.config.validation import check
from agejax.data.crop_margin import CropMargin, of_config
from agejax.errors import UserError
from agejax.evaluation.evaluate import reader_of, training_faces
from agejax.evaluation.summary import evaluation_figures, selection_error, validation_figures
from agejax.experiments.derived_run import (
    calibration_faces,
    changes_for,
    check_out,
    check_split,
    write_run,
)
from agejax.types import Weights

# Settings that members must have in common: data, tasks, and how they predict.
_COMMON = re.compile(
    r"data\..+|model\.(dtype|flip|flip_cut)|tasks\.[^.]+\.(classes|head|names|logit_adjustment)"
)
_SAME_MARGIN = 0.02  # maximum difference between two measurements of the same margin

Read: TypeAlias = dict[str, np.ndarray]  # {task: float32 [N, classes]}


@dataclasses.dataclass(frozen=True)
class Way:
    """A way to make one model of several.

    Attributes:
      name: of the result, with its article.
      config: (a member's config, all members) -> the config of the result.
      weights: the weights of all members -> those of the result.
      read: what each member predicts -> what the result does; None where its weights have to tell.
      check: raises a `UserError` where a member does not match the first; None if any will do.
    """

    name: str
    config: Callable[[ConfigDict, Sequence["Member"]], ConfigDict]
    weights: Callable[[Sequence[Weights]], Weights]
    read: Callable[[Sequence[Read]], Read] | None = None
    check: Callable[["Member", "Member"], None] | None = None


def combined(
    way: Way,
    runs: Sequence[Path],
    out: Path,
    *,
    faces: str | None = None,
    split: str = "validation",
    checkpoint: str = "best",
    places: Mapping[str, Any] | None = None,
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Writes a run that is made of several.

    It can be evaluated and exported like any other run, but not trained. A new calibration is
    fitted to it.

    Args:
      way: how it is made.
      runs: two or more, trained on the same data at the same size; they are not changed. Each is a
        run's folder or that of a single checkpoint.
      out: the folder of the new run.
      faces: a table of your own to fit the calibration on, instead of the runs' data.
      split: the split to fit it on; faces that are also in the training split are excluded.
      checkpoint: "best", "latest" or a step, for all runs.
      places: {"data.manual_dir" or "data.data_dir": folder} to use instead of the first run's.

    Returns:
      The result of `evaluation_figures` on those faces for each run, and for the new one.

    Raises:
      UserError: a run does not exist or does not match the first, or `out` already exists.
    """
    places = places or {}
    check_split(faces, split)
    check_out(out)
    first, *_ = members = _members(way, runs, checkpoint)
    check(way.config(of_the_run(first.run, {}), members))
    own = way.config(recorded(first.run), members)
    table = changes_for(faces, places)
    # Before the data is opened, so that invalid runs fail early.
    readers = [reader_of(of_the_run(m.run, table), m.shipped.weights) for m in members]
    train = training_faces(of_the_run(first.run, places))
    if train is not None:
        check_same_data(first.run, first.shipped.step, {"train": train}, allow=True)
    calibration_set = calibration_faces(of_the_run(first.run, table), split, train)
    known = first.shipped.calibration
    for task in known.temperature:
        if not calibration_set.known[task].any():
            raise UserError(f"split {split!r} has no {task} labels to calibrate it on")
    to = Checkpoints(out)
    to.margin = first.margin()

    joined = way.weights([member.shipped.weights for member in members])
    if way.read is None:  # the result is the last to read
        readers.append(reader_of(way.config(of_the_run(first.run, table), members), joined))
    each, readable = zip(*(read(calibration_set) for read in readers), strict=True)
    if not all(np.array_equal(mask, readable[0]) for mask in readable):
        raise UserError("an image could be read for one run but not for another; try again")
    calibration_set = calibration_set.where(readable[0])
    each, raw = (each[:-1], each[-1]) if way.read is None else (each, way.read(each))
    figures, fitted = validation_figures(raw, calibration_set, known.offset)
    of_each = [
        evaluation_figures(p, member.shipped.calibration, calibration_set)
        for p, member in zip(each, members, strict=True)
    ]
    together = evaluation_figures(raw, fitted, calibration_set)
    to.save_weights(
        max(member.shipped.step for member in members),
        joined,
        to_json(way.config(first.config, members)),
        selection_error(figures),
        fitted,
    )
    origin = {
        "members": [{"run": str(m.run.absolute()), "step": m.shipped.step} for m in members],
        **{"split": split, "n": fitted.n},
    }
    write_run(out, own, origin, [member.run for member in members], train)
    return of_each, together


def _members(way: Way, runs: Sequence[Path], checkpoint: str) -> list["Member"]:
    first = Member.of(runs[0], checkpoint)
    members = [first, *(Member.of(run, checkpoint, first) for run in runs[1:])]
    if way.check is not None:
        for member in members[1:]:
            way.check(first, member)
    different = {weights_sha256(member.shipped.weights) for member in members}
    if len(different) < max(len(members), 2):
        raise UserError(
            f"{way.name} needs at least two runs, each given once, and no two with the same weights"
        )
    return members


@dataclasses.dataclass(frozen=True)
class Member:
    """A run that becomes a part: its folder, and what is read of its checkpoint."""

    run: Path
    shipped: Shipped

    @classmethod
    def of(cls, path: Path, checkpoint: str, first: "Member | None" = None) -> "Member":
        """Loads a run and checks that it can be combined with the first."""

        def accept(config: ConfigDict) -> None:
            if config.model.members:
                raise UserError(f"{path} is itself an ensemble; give its members instead")
            if first is not None:
                _check_alike(first, path, config)

        check_is_folder(path)
        shipped = read_checkpoint(path, checkpoint, accept=accept)
        member = cls(shipped.source, shipped)
        if first is not None:
            first._check_faces(member)
        return member

    def _check_faces(self, other: "Member") -> None:
        together = f"{self.run} and {other.run} cannot be combined"
        ours, theirs = self.trained_on(), other.trained_on()
        if ours and theirs and ours.get("rule") == theirs.get("rule") and ours != theirs:
            raise UserError(
                f"{together}: their data have the same settings, but contained different faces"
            )
        one, another = (member.margin().margin for member in (self, other))
        if abs(one - another) > _SAME_MARGIN:
            raise UserError(
                f"{together}: the margins of their training crops are {one:g} and {another:g} of a "
                f"face's side (config.data.margin)"
            )

    @property
    def config(self) -> ConfigDict:
        """The config of the checkpoint."""
        return self.shipped.config

    def trained_on(self) -> dict[str, Any]:
        """The fingerprint of the training faces, if the run has recorded it."""
        sessions = read_sessions(self.run)
        return sessions[-1].get("data", {}).get("train", {}) if sessions else {}

    def margin(self) -> CropMargin:
        """The margin of its training crops."""
        return of_config(None, self.config.data.margin, self.shipped.margin)


def _check_alike(first: Member, run: Path, config: ConfigDict) -> None:
    for key, one, another in ((key, b, a) for key, a, b in changes(config, first.config)):
        if _COMMON.fullmatch(key):
            raise UserError(
                f"{first.run} and {run} cannot be combined: config.{key} is {one!r} in the first "
                f"and {another!r} in the second"
            )


def member_lines(
    runs: Sequence[Path], each: Sequence[dict[str, Any]], together: dict[str, Any]
) -> Iterator[str]:
    """Formats the figures of `combined` as a table."""
    names = [*map(str, runs), "together"]
    width = max(map(len, names))
    yield f"{'':{width}}{'MAE':>8}{'inside 90%':>13}{'gender':>9}"
    for name, of in zip(names, [*each, together], strict=True):
        age, gender = of["age"], of["gender"]
        inside = age["interval"]["coverage"] if age["n"] else None  # None: all labels are ranges
        mae = f"{age['mae']['median']:8.2f}" if age["n"] else ""
        mae += "" if inside is None else f"{inside:13.1%}"
        yield f"{name:{width}}{mae:21}" + (f"{gender['accuracy']:9.1%}" if gender["n"] else "")
