"""Reports of records that can no longer be read."""

import json
import threading
from collections.abc import Callable
from pathlib import Path

from agejax.utils.atomic_write import write_text
from agejax.utils.notes import warn
from agejax.utils.printable import printable


def say_unreadable(path: str, why: str) -> None:
    """Warns of a record."""
    warn(printable(f"record {path} cannot be read any more ({why}); left out"))


class Unreadable:
    """`unreadable.json`, {split: {path: why}}: the records found since this start of a run."""

    def __init__(self, file: Path):
        """Discards what an earlier start has found: the data may have been built again."""
        file.unlink(missing_ok=True)
        self._file, self._lock = file, threading.Lock()
        self._found: dict[str, dict[str, str]] = {}

    def of(self, split: str) -> Callable[[str, str], None]:
        """The callback of a split's loader, taking path and reason. Safe to call from threads."""

        def report(path: str, why: str) -> None:
            say_unreadable(path, why)
            with self._lock:
                self._found.setdefault(split, {})[path] = why
                write_text(self._file, json.dumps(self._found, indent=2) + "\n")

        return report
