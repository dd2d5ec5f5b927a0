"""Where numbers go: `metrics.jsonl`, of which a kill loses no line that a checkpoint counts on."""

import json
import os
from pathlib import Path
from typing import IO, Any

from agejax.runtime.durable import naming, write_text

_NO_STEP = float("inf")


class MetricsLog:
    """A JSON line for each of some steps; each step once, also where a run was resumed."""

    def __init__(self, path: Path, *, after: int):
        """Opens it for lines after step `after`; an interrupted run's own of those are dropped."""
        self._path = path
        lines = path.read_bytes().splitlines(keepends=True) if path.exists() else []
        kept = [line.decode() for line in lines if line.endswith(b"\n") and _step(line) <= after]
        if damaged := sum(_step(line) == _NO_STEP for line in lines[:-1]):
            print(f"{path}: {damaged} of its lines are damaged, and dropped")
        if len(kept) < len(lines):
            write_text(path, "".join(kept))
        self._file: IO[str] | None = None

    def write(self, **numbers: Any) -> None:
        """Appends a line; `step` is among the numbers."""
        with naming(self._path):
            if self._file is None:
                self._file = self._path.open("a", encoding="utf-8")
            self._file.write(json.dumps(numbers) + "\n")
            self._file.flush()

    def sync(self) -> None:
        """Waits until the lines are on the disk."""
        if self._file is not None:
            with naming(self._path):
                os.fsync(self._file.fileno())

    def close(self) -> None:
        """Closes the file."""
        if self._file is not None:
            self._file.close()


def _step(line: bytes) -> float:
    try:
        return float(json.loads(line)["step"])
    except (ValueError, KeyError, TypeError):  # no line of ours, or one that was damaged
        return _NO_STEP
