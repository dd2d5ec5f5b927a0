"""What a person means by a setting: `None`, written out, is none, and `~` in a path is home."""

import re
from typing import Any

from agejax.utils.paths import expanded

# Settings that may be none, and are a path where they are not.
_PATHS = re.compile(
    r"data\.(sets\.[^.]*\.)?(manual_dir|data_dir|path|root|cache_dir|audit)"
    r"|model\.pretrained|eval\.attributes|distil\.(teacher|unlabelled)"
)


def meant(key: str, value: Any, usual: Any = ...) -> Any:
    """The value that is meant by what was given for the setting `key`, such as "data.root".

    `usual` is its default, where it has one: what that is none for may be none.

    Raises:
      UserError: a path begins with a home that is not there.
    """
    path = _PATHS.fullmatch(key) is not None
    if not isinstance(value, str):
        return value
    if value == "None" and (path or usual is None):
        return None
    return expanded(value) if path else value
