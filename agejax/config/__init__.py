"""All settings of a run: defaults, changes by key, JSON, validation, tasks and sweeps."""

from agejax.config.access import check_key, may_be_none, settled, update
from agejax.config.comparison import changes, differences
from agejax.config.defaults import AUDIT, FOLDS, LOADER, NETWORK, default
from agejax.config.keys import flat, get
from agejax.config.python_file import check_whole, from_file
from agejax.config.resolved import (
    modules_of,
    network,
    source_args,
    source_of,
    split_source_args,
    stages,
    writers,
)
from agejax.config.serialization import from_json, to_json

__all__ = [
    "AUDIT",
    "FOLDS",
    "LOADER",
    "NETWORK",
    "changes",
    "check_key",
    "check_whole",
    "default",
    "differences",
    "flat",
    "from_file",
    "from_json",
    "get",
    "may_be_none",
    "modules_of",
    "network",
    "settled",
    "source_args",
    "source_of",
    "split_source_args",
    "stages",
    "to_json",
    "update",
    "writers",
]
