"""A run done again from what its folder says, and whether it gives the same weights."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np

from agejax import config as configs
from agejax.checkpoints.provenance import data_of, differing, read_sessions, surroundings
from agejax.checkpoints.run_dir import of_the_run, open_checkpoints, recorded
from agejax.config.validation import check_trainable
from agejax.data import withheld
from agejax.data.faces import Faces
from agejax.errors import UserError
from agejax.evaluation.evaluate import open_split
from agejax.steps.model_factory import abstract_model
from agejax.training.loop import train


def repeat(
    run: Path,
    workdir: Path,
    changes: Mapping[str, Any],
    say: Callable[[str], Any] = print,
    *,
    save_on_signal: bool = False,
) -> bool:
    """Trains a run again, in another folder, and compares the weights.

    Args:
      run: a finished run's folder.
      workdir: where to; a repetition that was stopped there goes on.
      changes: `{"section.key": value}`, of where data lies and the like, which change no weight.
      say: is told, a line at a time, what differs from then, and how it ends.
      save_on_signal: as of `agejax.training.loop.train`.

    Returns:
      Whether the weights of the last checkpoint, and of the best, are bit-identical.

    Raises:
      UserError: there is no finished run, or a change would make it another run.
    """
    was = recorded(run)
    check_trainable(was)
    config = of_the_run(run, changes)
    if config.data.source is withheld.faces:
        withheld.faces("train")  # which says why
    if changed := list(configs.differences(config, was)):
        raise UserError(f"this would be another run, and not a repetition: {'; '.join(changed)}")
    theirs = open_checkpoints(run)
    if theirs.latest() != config.train.steps:
        raise UserError(f"{run} is at step {theirs.latest()} of {config.train.steps}: not finished")
    if os.path.realpath(run) == os.path.realpath(workdir):
        raise UserError(f"{run} cannot be repeated in its own folder; give --workdir another")
    faces = open_split(config, "train")
    validation = open_split(config, "validation").without(faces)
    splits = {"train": faces, "validation": validation}
    _say_what_differs(run, surroundings(config, splits), splits, say)
    train(config, workdir, save_on_signal=save_on_signal)
    first = [sessions[0].get("weights") for of in (run, workdir) if (sessions := read_sessions(of))]
    if len(set(first)) > 1:
        say("differs: the weights before the first step; config.model.pretrained is another file?")
    ours, same = open_checkpoints(workdir), True
    _, like = abstract_model(config)
    for which in ("latest", "best"):
        steps = theirs.find(which), ours.find(which)
        weights = theirs.weights(steps[0], like), ours.weights(steps[1], like)
        told = _compared(*weights)
        same &= not told and steps[0] == steps[1]
        step = f"step {steps[0]:,}" + (f", there {steps[1]:,}" if steps[0] != steps[1] else "")
        say(f"the {which} weights ({step}): {told or 'bit-identical'}")
    return same


def _say_what_differs(
    run: Path, now: Mapping[str, Any], splits: Mapping[str, Faces], say: Callable[[str], Any]
) -> None:
    sessions = read_sessions(run)
    if not sessions:
        say(f"{run} has no run.json: what it was made with is not known")
    lines: dict[str, list[int]] = {}
    for session in sessions:
        then = {key: value for key, value in session.items() if key != "weights"}
        rules = {split: of.get("rule", 1) for split, of in session.get("data", {}).items()}
        for line in differing(then, {**now, "data": data_of(splits, rules)}):
            lines.setdefault(line, []).append(session["step"])
    for line, steps in lines.items():
        since = "" if len(steps) == len(sessions) else f" (from step {steps[0]:,} on)"
        say(f"differs: {line}{since}")
    if sessions and not lines:
        say("versions, code, data, machine and settings are those of the run")


def _compared(theirs: Any, ours: Any) -> str:
    """How two trees of the same arrays differ; nothing where they do not."""
    trees = (map(np.asarray, jax.tree.leaves(tree)) for tree in (theirs, ours))
    pairs = list(zip(*trees, strict=True))
    apart = [(a, b) for a, b in pairs if a.tobytes() != b.tobytes()]
    if not apart:
        return ""
    most = max(float(np.max(np.abs(a.astype(np.float64) - b), initial=0)) for a, b in apart)
    return f"{len(apart)} of {len(pairs)} arrays differ, by {most:.2g} at most"
