"""Combines runs to an ensemble: one model that averages their probabilities."""

import dataclasses
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
from ml_collections import ConfigDict

from agejax.checkpoints.checkpoint import Checkpoints
from agejax.checkpoints.provenance import read_sessions, weights_sha256
from agejax.checkpoints.run_dir import check_is_folder, of_the_run, read_checkpoint, recorded
from agejax.checkpoints.same_data import check_same_data
from agejax.checkpoints.shipped import Shipped
from agejax.config import NETWORK, changes, to_json
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
from agejax.models.ensemble import Ensemble
from agejax.models.multitask import to_unit
from agejax.types import Weights

# Settings that members must have in common: data, tasks, and how they predict.
_COMMON = re.compile(
    r"data\..+|model\.(dtype|flip|flip_cut)|tasks\.[^.]+\.(classes|head|names|logit_adjustment)"
)
_SAME_MARGIN = 0.02  # maximum difference between two measurements of the same margin


def ensemble(
    runs: Sequence[Path],
    out: Path,
    *,
    faces: str | None = None,
    split: str = "validation",
    checkpoint: str = "best",
    places: Mapping[str, Any] | None = None,
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Writes a run whose model averages the probabilities of several runs.

    It can be evaluated and exported like any other run, but not trained. A new calibration is
    fitted to it.

    Args:
      runs: two or more, trained on the same data at the same size; they are not changed. Each is a
        run's folder or that of a single checkpoint.
      out: the folder of the new run.
      faces: a table of your own to fit the calibration on, instead of the runs' data.
      split: the split to fit it on; faces that are also in the training split are excluded.
      checkpoint: "best", "latest" or a step, for all runs.
      places: {"data.manual_dir" or "data.data_dir": folder} to use instead of the first run's.

    Returns:
      The result of `evaluation_figures` on those faces for each run, and for the ensemble.

    Raises:
      UserError: a run does not exist or does not match the first, or `out` already exists.
    """
    places = places or {}
    check_split(faces, split)
    check_out(out)
    first = _Member.of(runs[0], checkpoint)
    members = [first, *(_Member.of(run, checkpoint, first) for run in runs[1:])]
    weights = [member.shipped.weights for member in members]
    if len(set(map(weights_sha256, weights))) < max(len(members), 2):
        raise UserError(
            "an ensemble needs at least two runs, each given once, and no two with the same weights"
        )
    check(_of_all(of_the_run(first.run, {}), members))
    own = _of_all(recorded(first.run), members)
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

    each, readable = zip(*(read(calibration_set) for read in readers), strict=True)
    if not all(np.array_equal(mask, readable[0]) for mask in readable):
        raise UserError("an image could be read for one run but not for another; try again")
    calibration_set = calibration_set.where(readable[0])
    raw = jax.tree.map(lambda *p: sum(p) / len(p), *each)
    figures, fitted = validation_figures(raw, calibration_set, known.offset)
    of_each = [
        evaluation_figures(p, member.shipped.calibration, calibration_set)
        for p, member in zip(each, members, strict=True)
    ]
    together = evaluation_figures(raw, fitted, calibration_set)
    to.save_weights(
        max(member.shipped.step for member in members),
        _joined(weights),
        to_json(_of_all(first.config, members)),
        selection_error(figures),
        fitted,
    )
    origin = {
        "members": [{"run": str(m.run.absolute()), "step": m.shipped.step} for m in members],
        **{"split": split, "n": fitted.n},
    }
    write_run(out, own, origin, [member.run for member in members], train)
    return of_each, together


@dataclasses.dataclass(frozen=True)
class _Member:
    run: Path
    shipped: Shipped

    @classmethod
    def of(cls, path: Path, checkpoint: str, first: "_Member | None" = None) -> "_Member":
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

    def _check_faces(self, other: "_Member") -> None:
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


def _check_alike(first: _Member, run: Path, config: ConfigDict) -> None:
    for key, one, another in ((key, b, a) for key, a, b in changes(config, first.config)):
        if _COMMON.fullmatch(key):
            raise UserError(
                f"{first.run} and {run} cannot be combined: config.{key} is {one!r} in the first "
                f"and {another!r} in the second"
            )


def _of_all(config: ConfigDict, members: Sequence[_Member]) -> ConfigDict:
    """A member's config, with the networks of all members instead of its own."""
    config = config.copy_and_resolve_references()
    with config.unlocked():
        config.model.update(trunk=Ensemble, normalise=to_unit, head_width=0, pretrained=None)
        config.distil.teacher = None
        config.model.args = {}
        config.model.members = {
            str(i): {part: member.config.model[part] for part in NETWORK}
            for i, member in enumerate(members)
        }
    return config


def _joined(weights: Sequence[Weights]) -> Weights:
    """The weights of an `Ensemble`, from those of its members."""
    params = {str(i): of["params"] for i, of in enumerate(weights)}
    stats = {str(i): of["stats"] for i, of in enumerate(weights) if of["stats"]}
    return Weights(params={"members": params}, stats={"members": stats} if stats else {})


def ensemble_lines(
    runs: Sequence[Path], each: Sequence[dict[str, Any]], together: dict[str, Any]
) -> Iterator[str]:
    """Formats the figures of `ensemble` as a table."""
    names = [*map(str, runs), "together"]
    width = max(map(len, names))
    yield f"{'':{width}}{'MAE':>8}{'inside 90%':>13}{'gender':>9}"
    for name, of in zip(names, [*each, together], strict=True):
        age, gender = of["age"], of["gender"]
        inside = age["interval"]["coverage"] if age["n"] else None  # None: all labels are ranges
        mae = f"{age['mae']['median']:8.2f}" if age["n"] else ""
        mae += "" if inside is None else f"{inside:13.1%}"
        yield f"{name:{width}}{mae:21}" + (f"{gender['accuracy']:9.1%}" if gender["n"] else "")
