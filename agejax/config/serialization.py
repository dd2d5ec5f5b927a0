"""A config as JSON and back; names of callables in a file are resolved only where trusted."""

import json
from collections.abc import Collection, Mapping
from typing import Any

from ml_collections import ConfigDict

from agejax.config import tasks
from agejax.config.access import settled, update
from agejax.config.defaults import NETWORK, default
from agejax.config.keys import flat
from agejax.config.named_callables import resolve_names
from agejax.config.resolved import resolved
from agejax.errors import UserError
from agejax.utils.import_by_name import name_of

_MALFORMED = (ValueError, LookupError, TypeError, AttributeError, ArithmeticError)


def to_json(config: ConfigDict) -> str:
    """A config as JSON; callables are written as "module:name"."""
    return json.dumps(plain(config), indent=2) + "\n"


def from_json(text: str, where: str, trust: Collection[str] = ()) -> ConfigDict:
    """The config that `to_json` wrote, also in an earlier version of agejax.

    Args:
      text: the JSON.
      where: the file's name, for errors.
      trust: modules whose code it may name; see `agejax.utils.import_by_name.trusted`.

    Raises:
      UserError: it has keys or values that this version does not know, or names other code.
    """
    config = default()
    try:
        loaded = json.loads(text)
        resolve_names(loaded, trust, where)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UserError(f"{where}: not a config of this version of agejax ({error})") from error
    try:
        with config.unlocked():
            config.tasks = tasks.settable(loaded.pop("tasks"))
            config.model.args = loaded["model"].pop("args")
            members = loaded["model"].pop("members", {})
            config.model.members = {name: _member(of) for name, of in members.items()}
            config.data.sets = loaded["data"].pop("sets", {})
        _check_sections(loaded, config)
        update(config, dict(flat(loaded)))
    except (*_MALFORMED, UserError) as error:
        raise UserError(f"{where}: not a config of this version of agejax ({error})") from error
    return settled(config)


def plain(config: ConfigDict) -> dict[str, Any]:
    """The config as mappings, lists, numbers and strings, with the tasks' defaults filled in."""
    tree = config.to_dict() | {"tasks": tasks.plain(config.tasks)}
    tree["data"]["source"] = resolved(tree["data"]["source"])
    return _named(tree)


def _check_sections(given: Mapping[str, Any], config: ConfigDict, prefix: str = "") -> None:
    """A value must not be a section: an empty one would stand for the default."""
    for key, value in given.items():
        ours = config.get(key, value)
        if isinstance(value, Mapping) and not isinstance(ours, Mapping | ConfigDict):
            raise ValueError(f"config.{prefix}{key} is a section there")
        if isinstance(value, Mapping) and isinstance(ours, ConfigDict):
            _check_sections(value, ours, f"{prefix}{key}.")


def _member(written: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of an ensemble's member, checked."""
    width = written["head_width"]
    if written.keys() != set(NETWORK) or not (type(width) is int and width >= 0):
        raise ValueError(f"a member has {', '.join(NETWORK)}, the last of them 0 or more")
    return dict(written)


def _named(value: Any) -> Any:
    if isinstance(value, Mapping | ConfigDict):
        return {key: _named(v) for key, v in value.items()}
    if isinstance(value, tuple | list):
        return [_named(v) for v in value]
    return name_of(value) if callable(value) else value
