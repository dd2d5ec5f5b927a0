"""Callables by name: how a config that holds them is written down and read."""

import importlib
import os
import re
from collections.abc import Callable, Collection
from typing import Any

from agejax.errors import UserError

# Where what a config names is looked for without asking: rooms whose functions write no files.
_OURS = ("agejax.models", "agejax.train", "agejax.data")


def name_of(value: Callable[..., Any]) -> str:
    """The "module:name" that `resolve` takes.

    Raises:
      UserError: that name means something else, as a lambda's does.
    """
    name = f"{value.__module__}:{getattr(value, '__qualname__', '')}"
    if resolve(name) is not value:
        raise UserError(f"config: {name} is not what that name means; give it one of its own")
    return name


def is_name(text: str) -> bool:
    """Whether a text that may be a path, too, is a "module:name"."""
    return re.fullmatch(r"[\w.]+:\w+", text) is not None


def resolve(name: str) -> Callable[..., Any]:
    """What "module:name" names.

    Raises:
      UserError: it cannot be imported.
    """
    module, _, attribute = name.partition(":")
    try:
        return getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError, TypeError) as error:  # the last: of "."
        raise UserError(
            f"config: {name!r} cannot be imported; define it at the top of a module that can be"
        ) from error


def check_trusted(name: str, trust: Collection[str], where: str) -> None:
    """Raises a `UserError` for a "module:name" of code that nobody has said may be run.

    A file that was written by somebody else is data. Importing what it names would run a program of
    its choice, so that it is only done for agejax's own, for the modules of `trust`, and for those
    of the environment variable AGEJAX_TRUST, separated by commas. `where` names the file.
    """
    module = name.partition(":")[0]
    trusted = [*_OURS, *trust, *filter(None, os.environ.get("AGEJAX_TRUST", "").split(","))]
    if not any(module == m or module.startswith(f"{m}.") for m in trusted):
        raise UserError(
            f"{where} names {name}, code that is not agejax's own; if you trust it, set the "
            f"environment variable AGEJAX_TRUST={module}"
        )
