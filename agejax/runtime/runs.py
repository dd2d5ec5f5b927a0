"""A run's folder as it is found again: its config and its checkpoints."""

import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

from agejax.config import from_json, update
from agejax.errors import UserError
from agejax.runtime import own_data
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
    path = Path(path)
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


def config_of(checkpoints: Checkpoints, step: int) -> ConfigDict:
    """The config of a checkpoint, less what the user has not said; see `own_data.own`.

    Raises:
      UserError: it is damaged, of another version, or names code that is not to be run.
    """
    config = from_json(checkpoints.config(step), f"{checkpoints.folder}/{step}")
    return own_data.own(config, checkpoints.folder.parent)


def of_the_run(
    workdir: Path,
    changes: Mapping[str, Any],
    trust: Collection[str] = (),
    instead: ConfigDict | None = None,
) -> ConfigDict:
    """The config that a run was trained with, but for `{"section.key": value}`.

    Args:
      workdir: the run.
      changes: what the user has otherwise.
      trust: modules whose code it may name; see `agejax.callables.trusted`.
      instead: a config of the user's own, whose data are taken where those that the run names are
        not known here to be the user's; see `agejax.runtime.own_data`. Without it, they are not
        opened.

    Raises:
      UserError: there is no such run, or its config is none of this version.
    """
    config = own_data.own(recorded(workdir, trust), workdir, changes, instead)
    update(config, changes)
    return config


def recorded(workdir: Path, trust: Collection[str] = ()) -> ConfigDict:
    """The config that a run's folder has, as it is: to compare and to copy, not to open data with.

    Raises:
      UserError: as `of_the_run`.
    """
    file = Path(workdir, "config.json")
    open_checkpoints(workdir)
    if not file.is_file():  # training writes it once its data is there
        raise UserError(f"{workdir}: there is no trained run here; its training ended in an error")
    try:
        text = file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise UserError(f"{file}: not a config ({error})") from error
    return from_json(text, str(file), trust)
