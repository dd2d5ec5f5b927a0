"""Paths as people give them: `~` is home, and not every process has one."""

import os
from pathlib import Path
from typing import TypeAlias, TypeVar

from agejax.errors import UserError

AnyPath: TypeAlias = str | os.PathLike[str]

_Path = TypeVar("_Path", str, Path)


def home() -> Path | None:
    """The user's own folder; None where the system knows none, as for a container's bare number."""
    if os.environ.get("HOME") == "":
        return None
    try:
        found = Path.home()
    except RuntimeError:
        return None
    return found if found.is_absolute() else None


def expanded(path: _Path) -> _Path:
    """A path whose leading `~` or `~NAME`, if there is one, is that home folder.

    Raises:
      UserError: there is no such home; a file of that very name is `./~NAME`.
    """
    text = str(path)
    if not text.startswith("~"):
        return path
    own = text == "~" or text.startswith("~/")
    whole = text if own and home() is None else os.path.expanduser(text)
    if whole.startswith("~"):
        name = text.partition("/")[0]
        raise UserError(f"{text}: there is no home folder for {name} here; give the path in full")
    return type(path)(whole)
