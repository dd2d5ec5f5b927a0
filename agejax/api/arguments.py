"""What callers give: configs and paths."""

from collections.abc import Mapping
from pathlib import Path

from ml_collections import ConfigDict

from agejax import config as configs
from agejax.config import sweeps
from agejax.errors import UserError
from agejax.utils.paths import AnyPath, expanded


def config_of(given: ConfigDict | AnyPath) -> ConfigDict:
    """A config, or that of a file.

    Raises:
      UserError: the file is that of a sweep, or no config.
    """
    if isinstance(given, ConfigDict):
        return given
    file = path_of(given)
    config = configs.from_file(file)
    if sweeps.read(file, config, {}):
        raise UserError(f"{file} is a sweep, of many runs: agejax train --config {file}")
    return config


def path_of(given: AnyPath) -> Path:
    """A path, `~` being home."""
    return expanded(Path(given))


def places_of(given: Mapping[str, AnyPath] | None) -> dict[str, str]:
    """{setting: folder}, of where data lies now."""
    return {key: str(path_of(value)) for key, value in (given or {}).items()}
