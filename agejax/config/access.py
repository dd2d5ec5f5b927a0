"""Settings changed by their keys, with checks of the key and of the value."""

import copy
import difflib
import functools
from collections.abc import Mapping
from typing import Any

from ml_collections import ConfigDict

from agejax.config.defaults import OPEN, default
from agejax.config.keys import flat, get
from agejax.config.resolved import resolved
from agejax.errors import UserError
from agejax.utils.user_values import meant


def check_key(config: ConfigDict, key: str) -> None:
    """Raises a `UserError` that suggests the nearest key where `config` has no `key`."""
    if key.startswith(OPEN) or _is_leaf(config, key):  # as most are
        return
    keys = list(flat(config.to_dict()))
    sections = {k.rpartition(".")[0] for k, _ in keys}
    known = sorted({k for k, _ in keys} | sections - {""})
    if key in known:
        return
    last_words = {k.rpartition(".")[2]: k for k in known}
    word = key.rpartition(".")[2]
    near = [last_words[word]] if word in last_words else difflib.get_close_matches(key, known, n=1)
    near = near or [last_words[w] for w in difflib.get_close_matches(word, last_words, n=1)]
    hint = f"did you mean config.{near[0]}?" if near else "see agejax/config/defaults.py"
    raise UserError(f"there is no config.{key}; {hint}")


def _is_leaf(config: ConfigDict, key: str) -> bool:
    value: Any = config
    for name in key.split("."):
        if not isinstance(value, ConfigDict) or name not in value:
            return False
        value = value[name]
    return not isinstance(value, Mapping | ConfigDict)


def update(config: ConfigDict, values: Mapping[str, Any]) -> None:
    """Sets `{"section.key": value}`; callables may be given as "module:name".

    A mapping updates the keys of a section that it has, but replaces the arguments of a callable as
    a whole: arguments of one trunk or loss do not apply to another.

    Raises:
      UserError: the key does not exist, or the value has the wrong type.
    """
    usual = _defaults()
    for key, given in values.items():
        check_key(config, key)
        value = meant(key, given, usual.get(key, ...))
        section, _, name = key.rpartition(".")
        try:
            holder = get(config, section)
            old = holder.get(name) if key.startswith(OPEN) else holder[name]
            if isinstance(old, ConfigDict) and isinstance(value, Mapping) and name[-4:] != "args":
                update(config, {f"{key}.{inner}": v for inner, v in value.items()})
                continue
            value = resolved(value) if callable(old) else value
            if name in holder and not isinstance(value, Mapping | ConfigDict):
                holder[name] = value
                continue
            with config.unlocked():  # open sections take new keys
                holder[name] = value
        except (TypeError, AttributeError, KeyError) as error:
            raise UserError(f"config.{key} cannot be {value!r}: {error}") from error


def settled(config: ConfigDict) -> ConfigDict:
    """The config with its values normalised; see `agejax.utils.user_values`.

    Raises:
      UserError: a path begins with a home directory that does not exist.
    """
    usual, given = _defaults(), dict(flat(config.to_dict()))
    values = {key: meant(key, value, usual.get(key, ...)) for key, value in given.items()}
    changed = {key: value for key, value in values.items() if value is not given[key]}
    if changed:
        config = copy.deepcopy(config)
        update(config, changed)
    return config


def may_be_none(key: str) -> bool:
    """Whether None is a valid value of the setting `key`."""
    return meant(key, "None", _defaults().get(key, ...)) is None


@functools.cache
def _defaults() -> Mapping[str, Any]:
    return dict(flat(default().to_dict()))
