"""A config from a Python file that defines `get_config()`."""

import runpy
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

from agejax.config.access import settled
from agejax.config.defaults import default
from agejax.config.keys import flat
from agejax.errors import UserError, place
from agejax.utils.import_by_name import current_folder_searched
from agejax.utils.paths import AnyPath, expanded

_MISSING = object()


def from_file(path: AnyPath) -> ConfigDict:
    """The config that `get_config()` of a Python file returns.

    Raises:
      UserError: the file does not exist, or returns no config, or an incomplete one.
    """
    path = expanded(Path(path))
    if not path.is_file():
        raise UserError(f"{path}: there is no such config")
    try:
        with current_folder_searched():
            config = runpy.run_path(str(path))["get_config"]()
    except (Exception, SystemExit) as error:  # a config is a program: anything can go wrong in it
        raise UserError(f"{place(error, path)}: {type(error).__name__}: {error}") from error
    check_whole(config, path)
    return settled(config)


def check_whole(config: Any, file: Path) -> None:
    """Raises a `UserError` if what a file's `get_config()` returns lacks settings."""
    if not isinstance(config, ConfigDict):
        raise UserError(f"{file}: get_config() gives no ConfigDict")
    wanted = [key for key, _ in flat(default()) if not key.startswith("tasks.")]
    for key in [*wanted, "tasks.age"]:  # other tasks are checked in agejax.config.tasks
        section: Any = config
        for part in key.split("."):
            section = section.get(part, _MISSING) if isinstance(section, ConfigDict) else _MISSING
        if section is _MISSING:
            raise UserError(
                f"{file}: get_config() gives no config.{key}; it must begin with "
                f"agejax.config.default()"
            )
