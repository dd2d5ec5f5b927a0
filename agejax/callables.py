"""Callables by name: how a config that holds them is written down and read."""

import importlib
from collections.abc import Callable
from typing import Any

from agejax.errors import UserError


def name_of(value: Callable[..., Any]) -> str:
    """The "module:name" that `resolve` takes.

    Raises:
      UserError: that name means something else, as a lambda's does.
    """
    name = f"{value.__module__}:{getattr(value, '__qualname__', '')}"
    if resolve(name) is not value:
        raise UserError(f"config: {name} is not what that name means; give it one of its own")
    return name


def resolve(name: str) -> Callable[..., Any]:
    """What "module:name" names.

    Raises:
      UserError: it cannot be imported.
    """
    module, _, attribute = name.partition(":")
    try:
        return getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise UserError(
            f"config: {name!r} cannot be imported; define it at the top of a module that can be"
        ) from error
