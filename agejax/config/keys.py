"""Trees of settings, addressed by keys such as "section.name"."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from ml_collections import ConfigDict

Setting: TypeAlias = (
    bool
    | int
    | float
    | str
    | Callable[..., object]
    | Sequence[object]
    | Mapping[str, object]
    | None
)
Settings: TypeAlias = Mapping[str, Setting]  # {"section.key": value}


def flat(tree: Mapping[str, Any] | ConfigDict, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """(key, value) of all leaves of a tree of mappings, keys joined by dots."""
    for key, value in tree.items():
        if isinstance(value, Mapping | ConfigDict):
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value


def get(config: ConfigDict, key: str) -> Any:
    """The value, or the section, at "section.key"."""
    for part in filter(None, key.split(".")):
        config = config[part]
    return config
