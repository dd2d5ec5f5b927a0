"""Repeats a run from its folder and checks whether the weights are the same."""

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
from agejax.evaluation.open_split import open_split
from agejax.experiments.derived_run import members_of
from agejax.steps.model_factory import abstract_model
from agejax.training.loop import train
from agejax.training.teacher import read_teacher


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
      workdir: the output folder; an interrupted repetition there is resumed.
      changes: `{"section.key": value}`, such as the data's location, that do not affect weights.
      say: called with each line of the report: differences from the run, and the result.
      save_on_signal: see `agejax.training.loop.train`.

    Returns:
      Whether the weights of the last and of the best checkpoint are bit-identical.

    Raises:
      UserError: there is no finished run, or a change would affect its weights.
    """
    was = recorded(run)
    check_trainable(was)
    if members := members_of(run):
        named = ", ".join(member["run"] for member in members)
        raise UserError(f"{run} is a mean of others; repeat these: {named}")
    config = of_the_run(run, changes)
    if config.data.source is withheld.faces:
        withheld.faces("train")  # raises an error with the reason
    if changed := list(configs.differences(config, was)):
        raise UserError(f"this would be a different run, not a repetition: {'; '.join(changed)}")
    theirs = open_checkpoints(run)
    if theirs.latest() != config.train.steps:
        raise UserError(f"{run} is at step {theirs.latest()} of {config.train.steps}: not finished")
    if os.path.realpath(run) == os.path.realpath(workdir):
        raise UserError(f"{run} cannot be repeated in its own folder; give --workdir another")
    faces = open_split(config, "train")
    validation = open_split(config, "validation").without(faces)
    splits = {"train": faces, "validation": validation}
    now = surroundings(config, splits)
    if (teacher := read_teacher(config)) is not None:
        now["teacher"] = teacher.about
    _say_what_differs(run, now, splits, say)
    train(config, workdir, save_on_signal=save_on_signal)
    first = [sessions[0].get("weights") for of in (run, workdir) if (sessions := read_sessions(of))]
    if len(set(first)) > 1:
        say("differs: the initial weights; is config.model.pretrained another file?")
    ours, same = open_checkpoints(workdir), True
    _, like = abstract_model(config)
    for which in ("latest", "best"):
        steps = theirs.find(which), ours.find(which)
        weights = theirs.weights(steps[0], like), ours.weights(steps[1], like)
        differs = _compared(*weights)
        same &= not differs and steps[0] == steps[1]
        step = f"step {steps[0]:,}" + (f", there {steps[1]:,}" if steps[0] != steps[1] else "")
        say(f"the {which} weights ({step}): {differs or 'bit-identical'}")
    return same


def _say_what_differs(
    run: Path, now: Mapping[str, Any], splits: Mapping[str, Faces], say: Callable[[str], Any]
) -> None:
    sessions = read_sessions(run)
    if not sessions:
        say(f"{run} has no run.json: its versions, code and data are unknown")
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
        say("versions, code, data, machine and settings are the same as the run's")


def _compared(theirs: Any, ours: Any) -> str:
    """Describes how two trees of arrays differ; "" if they are identical."""
    trees = (map(np.asarray, jax.tree.leaves(tree)) for tree in (theirs, ours))
    pairs = list(zip(*trees, strict=True))
    apart = [(a, b) for a, b in pairs if a.tobytes() != b.tobytes()]
    if not apart:
        return ""
    most = max(float(np.max(np.abs(a.astype(np.float64) - b), initial=0)) for a, b in apart)
    return f"{len(apart)} of {len(pairs)} arrays differ, by at most {most:.2g}"
