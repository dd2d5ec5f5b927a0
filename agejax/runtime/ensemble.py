"""Runs that read faces together: their networks in one model, their probabilities averaged."""

import dataclasses
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
from ml_collections import ConfigDict

from agejax.checks import check
from agejax.config import NETWORK, changes, from_json, to_json
from agejax.errors import UserError
from agejax.models.ensemble import Ensemble
from agejax.models.multitask import to_unit
from agejax.runtime.checkpoint import Checkpoints
from agejax.runtime.evaluate import reader_of, training_faces
from agejax.runtime.figures import evaluation_figures, selection_error, validation_figures
from agejax.runtime.model import abstract_model
from agejax.runtime.provenance import read_sessions, weights_sha256
from agejax.runtime.runs import find_checkpoint, of_the_run, recorded
from agejax.runtime.teaching import changes_for, check_out, check_split, teachers_of, write_run
from agejax.types import Weights

# What members must have in common: the faces, the tasks, and how they are asked.
_COMMON = re.compile(
    r"data\..+|model\.(dtype|flip|flip_cut)|tasks\.[^.]+\.(classes|head|names|logit_adjustment)"
)


def ensemble(
    runs: Sequence[Path],
    out: Path,
    *,
    faces: str | None = None,
    split: str = "validation",
    checkpoint: str = "best",
    places: Mapping[str, Any] | None = None,
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Writes a run whose model is those of several, their probabilities averaged.

    It can be evaluated and shipped as any other, but not trained on. Its calibration is its own.

    Args:
      runs: of two or more, trained on the same data at the same size; they stay as they are. The
        folder of one checkpoint does, too.
      out: the folder of the new one.
      faces: a table of one's own that teaches the calibration, in place of the runs' data.
      split: whose faces teach; those that stand in the training split, too, are left out.
      checkpoint: "best", "latest" or a step, of each run.
      places: {"data.manual_dir" or "data.data_dir": folder}, where that is not the first run's own.

    Returns:
      What `evaluation_figures` says of those faces by each run, and by all together.

    Raises:
      UserError: a run is not there, or not of the kind of the first, or `out` is taken.
    """
    places = places or {}
    check_split(faces, split)
    check_out(out)
    members = [_Member.of(run, checkpoint) for run in runs]
    first, *others = members
    for other in others:
        _check_alike(first, other)
    weights = [member.weights() for member in members]
    if len(set(map(weights_sha256, weights))) < max(len(members), 2):
        raise UserError(
            "an ensemble is of two runs or more, each of them named once: no two of the same "
            "weights"
        )
    check(_of_all(of_the_run(first.run, {}), members))
    own = _of_all(recorded(first.run), members)
    table = changes_for(faces, places)
    # Before the data: whether they can be read shows now.
    readers = [reader_of(of_the_run(m.run, table), m.checkpoints, m.step) for m in members]
    train = training_faces(of_the_run(first.run, places))
    teachers = teachers_of(of_the_run(first.run, table), split, train)
    known = first.checkpoints.calibration(first.step)
    for task in known.temperature:
        if not teachers.known[task].any():
            raise UserError(f"split {split!r} tells no {task}, so it cannot calibrate that")
    to = Checkpoints(out)

    each, readable = zip(*(read(teachers) for read in readers), strict=True)
    if not all(np.array_equal(mask, readable[0]) for mask in readable):
        raise UserError("an image could be read for one run, and not for another; try again")
    teachers = teachers.where(readable[0])
    raw = jax.tree.map(lambda *p: sum(p) / len(p), *each)
    figures, taught = validation_figures(raw, teachers, known.offset)
    of_each = [
        evaluation_figures(p, member.checkpoints.calibration(member.step), teachers)
        for p, member in zip(each, members, strict=True)
    ]
    together = evaluation_figures(raw, taught, teachers)
    to.save_weights(
        max(member.step for member in members),
        _joined(weights),
        to_json(_of_all(first.config, members)),
        selection_error(figures),
        taught,
    )
    origin = {
        "members": [{"run": str(m.run.absolute()), "step": m.step} for m in members],
        **{"split": split, "n": taught.n},
    }
    write_run(out, own, origin, [member.run for member in members], train)
    return of_each, together


@dataclasses.dataclass(frozen=True)
class _Member:
    run: Path
    checkpoints: Checkpoints
    step: int
    config: ConfigDict  # of the checkpoint

    @classmethod
    def of(cls, path: Path, checkpoint: str) -> "_Member":
        checkpoints, step = find_checkpoint(path, checkpoint)
        config = from_json(checkpoints.config(step), f"{checkpoints.folder}/{step}")
        if config.model.members:
            raise UserError(f"{path} is an ensemble itself; name its members")
        return cls(checkpoints.folder.parent, checkpoints, step, config)

    def trained_on(self) -> str | None:
        """SHA-256 of the training faces, where the run tells it."""
        sessions = read_sessions(self.run)
        return sessions[-1].get("data", {}).get("train", {}).get("sha256") if sessions else None

    def weights(self) -> Weights:
        return self.checkpoints.weights(self.step, abstract_model(self.config)[1])


def _check_alike(first: _Member, other: _Member) -> None:
    differ = [(key, b, a) for key, a, b in changes(other.config, first.config)]
    margins = [member.config.data.margin for member in (first, other)]  # free, in one run
    if margins[0] != margins[1]:
        differ.append(("data.margin", *margins))
    for key, one, another in differ:
        if _COMMON.fullmatch(key):
            raise UserError(
                f"{first.run} and {other.run} cannot read together: config.{key} is {one!r} of the "
                f"one and {another!r} of the other"
            )
    if len({faces for member in (first, other) if (faces := member.trained_on())}) > 1:
        raise UserError(
            f"{first.run} and {other.run} cannot read together: their data are called alike, but "
            f"were other faces"
        )


def _of_all(config: ConfigDict, members: Sequence[_Member]) -> ConfigDict:
    """A member's config with the networks of all in place of its own."""
    config = config.copy_and_resolve_references()
    with config.unlocked():
        config.model.update(trunk=Ensemble, normalise=to_unit, head_width=0, pretrained=None)
        config.model.args = {}
        config.model.members = {
            str(i): {part: member.config.model[part] for part in NETWORK}
            for i, member in enumerate(members)
        }
    return config


def _joined(weights: Sequence[Weights]) -> Weights:
    """Those of an `Ensemble`, of its members'."""
    params = {str(i): of["params"] for i, of in enumerate(weights)}
    stats = {str(i): of["stats"] for i, of in enumerate(weights) if of["stats"]}
    return Weights(params={"members": params}, stats={"members": stats} if stats else {})


def ensemble_lines(
    runs: Sequence[Path], each: Sequence[dict[str, Any]], together: dict[str, Any]
) -> Iterator[str]:
    """The figures of `ensemble`, as lines for people."""
    names = [*map(str, runs), "together"]
    width = max(map(len, names))
    yield f"{'':{width}}{'MAE':>8}{'inside 90%':>13}{'gender':>9}"
    for name, of in zip(names, [*each, together], strict=True):
        age, gender = of["age"], of["gender"]
        inside = age["interval"]["coverage"] if age["n"] else None  # None: all labels are ranges
        mae = f"{age['mae']['median']:8.2f}" if age["n"] else ""
        mae += "" if inside is None else f"{inside:13.1%}"
        yield f"{name:{width}}{mae:21}" + (f"{gender['accuracy']:9.1%}" if gender["n"] else "")
