"""A run's folder as it is found again: its config and its checkpoints."""

import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

from agejax.config import from_json, update
from agejax.errors import UserError
from agejax.paths import expanded
from agejax.runtime.checkpoint import Checkpoints


def open_checkpoints(workdir: Path) -> Checkpoints:
    """The checkpoints of a run.

    Raises:
      UserError: there is no run in `workdir`.
    """
    if not Path(workdir, "checkpoints").is_dir():
        raise UserError(f"{workdir}: there is no trained run here (no folder checkpoints/)")
    return Checkpoints(Path(workdir), read_only=True)


def find_checkpoint(path: str | Path, which: str = "best") -> tuple[Checkpoints, int]:
    """The checkpoints of a run, and the step of the one that is meant.

    Args:
      path: a run's folder, its `checkpoints` folder, or one checkpoint in that.
      which: "best", "latest" or a step, where `path` names no checkpoint itself.

    Raises:
      UserError: there is none.
    """
    path = expanded(Path(path))
    if path.parent.name == "checkpoints" and path.name.isdecimal():
        path, which = path.parent, path.name
    checkpoints = open_checkpoints(path.parent if path.name == "checkpoints" else path)
    return checkpoints, checkpoints.find(which)


def licence_of(run: Path) -> str | None:
    """The licence of the data, as the run's evaluations tell it; None where none does."""
    for file in (*sorted(run.glob("eval/*.json")), run / "calibrated_from.json"):
        try:
            said = json.loads(file.read_text(encoding="utf-8"))["data"]["about"]["licence"]
        except (OSError, ValueError, KeyError, TypeError):
            continue
        if said:
            return str(said)
    return None


def of_the_run(
    workdir: Path, changes: Mapping[str, Any], trust: Collection[str] = ()
) -> ConfigDict:
    """The config that a run was trained with, but for `{"section.key": value}`.

    `trust` are modules whose code it may name; see `agejax.callables.check_trusted`.
    """
    file = Path(workdir, "config.json")
    open_checkpoints(workdir)
    if not file.is_file():  # training writes it once its data is there
        raise UserError(f"{workdir}: there is no trained run here; its training ended in an error")
    try:
        text = file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise UserError(f"{file}: not a config ({error})") from error
    config = from_json(text, str(file), trust)
    update(config, changes)
    return config
