"""The teacher of a run: read from where its config names it, and known again when it is resumed."""

import dataclasses
import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from jax.sharding import Mesh
from ml_collections import ConfigDict

from agejax.checkpoints.provenance import read_sessions, weights_sha256
from agejax.checkpoints.run_dir import read_checkpoint
from agejax.checkpoints.shipped import Shipped
from agejax.config import modules_of, to_json
from agejax.data.crop_margin import CropMargin, of_config
from agejax.distributed.mesh import put_whole
from agejax.errors import UserError
from agejax.steps.step import TrainStep
from agejax.steps.teaching import Teaching, in_common, teaching_of
from agejax.training.initial_weights import path_of_model
from agejax.utils.notes import note, warn

_OTHER_MARGIN = (
    0.15  # of a face's side, by which crops may differ from the teacher's without a note
)


@dataclasses.dataclass(frozen=True)
class Teacher:
    """A trained model whose distributions a run learns.

    Attributes:
      shipped: what was read of it.
      teaching: how the train step learns from it.
      about: {"path", "step", "licence" (of its data, if it is recorded), "sha256" (of all that its
        probabilities depend on)}, for `run.json`.
    """

    shipped: Shipped
    teaching: Teaching
    about: dict[str, Any]

    def into(self, step_at: Callable[[int], TrainStep], mesh: Mesh) -> Callable[[int], TrainStep]:
        """Train steps that are given the teacher's weights, which every device holds whole."""
        weights = put_whole(mesh, self.shipped.weights)

        def taught_at(step: int) -> TrainStep:
            taught = step_at(step)
            return lambda state, batch, pixels=None: taught(state, batch, pixels, weights)

        return taught_at

    def compare_margin(self, ours: CropMargin) -> None:
        """Warns if the student's crops show more or less around a face than the teacher's did."""
        theirs = of_config(None, self.shipped.config.data.margin, self.shipped.margin)
        known = not (ours.doubt or theirs.doubt)
        if known and abs(ours.margin - theirs.margin) > _OTHER_MARGIN:
            warn(
                f"the teacher was trained on crops with a margin of {theirs.margin:.2f} around the "
                f"face, and these have {ours.margin:.2f}: it may be wrong about them"
            )


def read_teacher(config: ConfigDict) -> Teacher | None:
    """The teacher that `config.distil.teacher` names; None if it names none.

    Raises:
      UserError: there is no such model, or it has no task in common with the student.
    """
    if (named := config.distil.teacher) is None:
        return None
    path = path_of_model(named, "distil.teacher")
    if not path.exists():
        raise UserError(f"config.distil.teacher is {named}; there is no such run or file")
    try:
        shipped = read_checkpoint(path, trust=modules_of(config))
    except UserError as error:
        raise UserError(f"config.distil.teacher: {error}") from error
    classes = in_common(config, shipped.config)
    if not classes:
        raise UserError(
            f"config.distil.teacher: {shipped.where} has no task in common with this config: it "
            f"has {_described(shipped.config)}, and this has {_described(config)}"
        )
    teaching = teaching_of(config, shipped.config, shipped.graph, shipped.calibration, classes)
    others = sorted(config.tasks.keys() - classes.keys())
    note(
        f"{shipped.where} teaches {' and '.join(classes)}"
        + (f"; {' and '.join(others)} is learned from labels alone" if others else "")
    )
    return Teacher(shipped, teaching, _about(named, shipped))


def check_same_teacher(workdir: Path, step: int, teacher: Teacher | None) -> None:
    """Compares a teacher with the one that a run was trained with up to `step`.

    A run that has no record of its teacher is not compared.

    Raises:
      UserError: it is another one.
    """
    sessions = [session for session in read_sessions(workdir) if session["step"] < step]
    then = sessions[-1].get("teacher", {}) if sessions else {}
    if teacher is None or not then or then.get("sha256") == teacher.about["sha256"]:
        return
    was = f"step {then.get('step')} of {then.get('path')}"
    raise UserError(
        f"{workdir}: its teacher, {teacher.about['path']} at step {teacher.about['step']}, is not "
        f"what it has learned from so far, {was}; bring that back, or give this one its own "
        f"--workdir"
    )


def _about(named: str, shipped: Shipped) -> dict[str, Any]:
    plain = json.loads(to_json(shipped.config))
    model = {key: value for key, value in plain["model"].items() if key != "pretrained"}
    says = {
        "weights": weights_sha256(shipped.weights),
        "calibration": dataclasses.asdict(shipped.calibration),
        "model": model,
        "size": plain["data"]["size"],
        "tasks": {name: [of["head"], of["names"]] for name, of in plain["tasks"].items()},
    }
    digest = hashlib.sha256(json.dumps(says, sort_keys=True).encode()).hexdigest()
    about = {"path": named, "step": shipped.step, "sha256": digest}
    return about | ({"licence": shipped.licence} if shipped.licence else {})


def _described(config: ConfigDict) -> str:
    tasks: Mapping[str, Any] = json.loads(to_json(config))["tasks"]
    return ", ".join(f"{name} of {of['classes']} classes" for name, of in tasks.items())
