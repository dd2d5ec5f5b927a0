"""What a config's settings refer to: its data source, writers, stages, network and modules."""

import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ml_collections import ConfigDict

from agejax.config import tasks
from agejax.config.defaults import AUDIT, FOLDS, LOADER, MODELS
from agejax.config.keys import flat
from agejax.errors import UserError
from agejax.utils.import_by_name import is_name, resolve

# Settings of callables in sections with free keys, where they may be given as names.
_OPEN_CALLABLE = re.compile(
    r"tasks\..*\.(head|loss|balance)|model\.members\..*\.(trunk|normalise)|data\.sets\..*\.source",
    re.DOTALL,  # a name may hold any character
)


def resolved(value: Any) -> Any:
    """The callable that a string names; any other value as it is."""
    return resolve(value) if isinstance(value, str) else value


def source_of(config: ConfigDict) -> Any:
    """The callable that `config.data.source` is, or names."""
    return resolved(config.data.source)


def source_args(config: ConfigDict) -> dict[str, Any]:
    """The keyword arguments of `config.data.source`: those in its signature."""
    return split_source_args(config)[0]


def split_source_args(config: ConfigDict) -> tuple[dict[str, Any], dict[str, Any]]:
    """The settings of `config.data` that the source takes, and the others.

    Raises:
      UserError: `config.data.source` is not a function of a split.
    """
    source = source_of(config)
    try:
        _, *takes = inspect.signature(source).parameters.values()
    except (TypeError, ValueError) as error:
        raise UserError(
            f"config.data.source is {source!r}; it must be a function of a split"
        ) from error
    given = config.data.to_dict()
    others = ("source", "device_mib", "margin", "allow_changed", "train_faces")
    for key in (*others, *AUDIT, *FOLDS, *LOADER):
        given.pop(key)
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in takes):
        return given, {}
    names = {parameter.name for parameter in takes}
    args = {key: value for key, value in given.items() if key in names}
    return args, {key: value for key, value in given.items() if key not in names}


def writers(config: ConfigDict) -> list[Callable[..., Any]]:
    """The callables of `config.writers`, which may be given by their names.

    Raises:
      UserError: one of them is not callable.
    """
    found = [resolved(writer) for writer in config.writers]
    for writer in found:
        if not callable(writer):
            raise UserError(f"config.writers holds {writer!r}; it must be callables")
    return found


def stages(config: ConfigDict) -> list[tuple[int, int]]:
    """[(steps done before a stage begins, its pixels a side)], the last one at data.size."""
    result, start = [], 0
    for size, steps in config.train.stages:
        result.append((start, size))
        start += steps
    return [*result, (start, config.data.size)]


def network(config: ConfigDict) -> str:
    """The name of a config's network for people: of its trunk, or of an ensemble's members."""
    members = [member.trunk.__name__ for member in config.model.members.values()]
    name: str = config.model.trunk.__name__
    return f"{name} of {' and '.join(members)}" if members else name


def modules_of(config: ConfigDict) -> set[str]:
    """The modules of all callables in a config: code that its author runs already."""
    tree = config.to_dict() | {"tasks": tasks.plain(config.tasks)}
    of_all = {value.__module__ for _, value in flat(tree) if callable(value)}
    named = {value.partition(":")[0] for _, value in _named_in_open(tree)}
    return of_all | named | {writer.__module__ for writer in writers(config)}


def _named_in_open(tree: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """(key, "module:name") of the callables that a config leaves unresolved."""
    for key, value in flat(tree):
        if isinstance(value, str) and (
            _OPEN_CALLABLE.fullmatch(key) or (key in MODELS and is_name(value))
        ):
            yield key, value
