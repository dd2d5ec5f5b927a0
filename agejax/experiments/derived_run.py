"""Shared by runs derived from others: the faces to fit a calibration on, and the output folder."""

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
from agejax.evaluation.open_split import open_split
from agejax.utils.atomic_write import write_text
from agejax.utils.system_files import is_junk


def check_out(out: Path) -> None:
    """Raises a `UserError` if the folder has files, except those of an unfinished checkpoint."""
    paths = (path.relative_to(out) for path in out.rglob("*") if path.is_file())
    files = (path.as_posix() for path in paths if not any(map(is_junk, path.parts)))
    if out.is_file() or not all(re.match(r"checkpoints/\d+\.partial", file) for file in files):
        raise UserError(f"{out} already exists; choose a new folder")


def check_split(faces: str | None, split: str) -> None:
    """Raises a `UserError` for the run's own training faces."""
    if faces is None and split == "train":
        raise UserError("a calibration cannot be fitted on the training faces: it would overfit")


def changes_for(faces: str | None, places: Mapping[str, Any]) -> dict[str, Any]:
    """The settings to read a table of your own, or the run's data from other folders."""
    if faces is None:
        return dict(places)
    return {"data.source": own_faces, "data.path": faces, "data.root": None}


def calibration_faces(config: ConfigDict, split: str, train: Faces | None) -> Faces:
    """The faces of a split without those that the weights were trained on.

    Raises:
      UserError: there is no such split, or no face is left.
    """
    faces = open_split(config, split)
    if train is not None:
        faces = faces.without(train)
    if not len(faces):
        raise UserError(f"split {split!r}: the run was trained on all of its faces")
    return faces


def members_of(run: Path) -> list[dict[str, Any]]:
    """[{"run", "step"}] that `agejax ensemble` or `soup` made a run of; [] if it was trained."""
    try:
        said = json.loads((run / "calibrated_from.json").read_text(encoding="utf-8"))["members"]
        return [{"run": str(member["run"]), "step": member["step"]} for member in said]
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return []


def write_run(
    out: Path,
    config: ConfigDict,
    origin: Mapping[str, Any],
    runs: Sequence[Path],
    train: Faces | None,
) -> None:
    """Writes the run's other files; to be called after its checkpoint has been saved."""
    about = {} if train is None else dict(train.about)
    licences = dict.fromkeys(filter(None, map(licence_of, runs)))
    about = {"licence": "; ".join(licences) or about.get("licence")}
    origin = {**origin, "data": {"about": about}, "trained_on": remembered(runs[0])}
    write_text(out / "calibrated_from.json", json.dumps(origin))
    write_text(out / "config.json", to_json(config))
