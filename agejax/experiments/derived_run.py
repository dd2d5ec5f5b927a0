"""What runs that are made of others share: faces that teach a calibration, and where they go."""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

from agejax.checkpoints.run_dir import licence_of
from agejax.checkpoints.same_data import remembered
from agejax.config import to_json
from agejax.data.faces import Faces
from agejax.data.own_faces import own_faces
from agejax.errors import UserError
from agejax.evaluation.evaluate import open_split
from agejax.utils.atomic_write import write_text
from agejax.utils.system_files import is_junk


def check_out(out: Path) -> None:
    """Raises a `UserError` where there is something already, but for what was never finished."""
    paths = (path.relative_to(out) for path in out.rglob("*") if path.is_file())
    files = (path.as_posix() for path in paths if not any(map(is_junk, path.parts)))
    if out.is_file() or not all(re.match(r"checkpoints/\d+\.partial", file) for file in files):
        raise UserError(f"{out} is taken; name a folder that is not there yet")


def check_split(faces: str | None, split: str) -> None:
    """Raises a `UserError` for the run's own training faces."""
    if faces is None and split == "train":
        raise UserError("the training faces cannot teach: the weights know them by heart")


def changes_for(faces: str | None, places: Mapping[str, Any]) -> dict[str, Any]:
    """The settings by which a run's config reads a table of one's own, or its data elsewhere."""
    if faces is None:
        return dict(places)
    return {"data.source": own_faces, "data.path": faces, "data.root": None}


def teachers_of(config: ConfigDict, split: str, train: Faces | None) -> Faces:
    """The faces of a split, less those that the weights were trained on.

    Raises:
      UserError: there is no such split, or nothing is left of it.
    """
    teachers = open_split(config, split)
    if train is not None:
        teachers = teachers.without(train)
    if not len(teachers):
        raise UserError(f"split {split!r}: all its faces are among those the run was trained on")
    return teachers


def write_run(
    out: Path,
    config: ConfigDict,
    origin: Mapping[str, Any],
    runs: Sequence[Path],
    train: Faces | None,
) -> None:
    """Writes what stands beside the checkpoint, once that is there: without it there is no run."""
    about = {} if train is None else dict(train.about)
    licences = [licence_of(run) for run in runs]
    about = {"licence": next(filter(None, licences), about.get("licence"))}
    origin = {**origin, "data": {"about": about}, "trained_on": remembered(runs[0])}
    write_text(out / "calibrated_from.json", json.dumps(origin))
    write_text(out / "config.json", to_json(config))
