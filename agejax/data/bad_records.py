"""Records that cannot be read any more, named."""

import json
import threading
from collections.abc import Callable
from pathlib import Path

from agejax.utils.atomic_write import write_text
from agejax.utils.notes import warn
from agejax.utils.printable import printable


def say_unreadable(path: str, why: str) -> None:
    """Warns of a record."""
    told = f"record {path} cannot be read any more ({why}); left out"
    warn(printable(told))


class Unreadable:
    """`unreadable.json`, {split: {path: why}}: what this start of a run has found so far."""

    def __init__(self, file: Path):
        """Forgets what an earlier start has found: the data may have been built again."""
        file.unlink(missing_ok=True)
        self._file, self._lock = file, threading.Lock()
        self._found: dict[str, dict[str, str]] = {}

    def of(self, split: str) -> Callable[[str, str], None]:
        """What the loader of a split tells: path and why. Safe to call from threads."""

        def tell(path: str, why: str) -> None:
            say_unreadable(path, why)
            with self._lock:
                self._found.setdefault(split, {})[path] = why
                write_text(self._file, json.dumps(self._found, indent=2) + "\n")

        return tell
