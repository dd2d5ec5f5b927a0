"""Where numbers go: `metrics.jsonl`, of which a kill loses no line that a checkpoint counts on."""

import json
import os
from pathlib import Path
from typing import Any

from agejax.runtime.durable import naming, write_text


class MetricsLog:
    """A JSON line for each of some steps; each step once, also where a run was resumed."""

    def __init__(self, path: Path, *, after: int):
        """Opens it for lines after step `after`; an interrupted run's own of those are dropped."""
        self._path = path
        lines = path.read_bytes().splitlines(keepends=True) if path.exists() else []
        kept = [line.decode() for line in lines if line.endswith(b"\n") and _step(line) <= after]
        write_text(path, "".join(kept))
        self._file = path.open("a", encoding="utf-8")

    def write(self, **numbers: Any) -> None:
        """Appends a line; `step` is among the numbers."""
        with naming(self._path):
            self._file.write(json.dumps(numbers) + "\n")
            self._file.flush()

    def sync(self) -> None:
        """Waits until the lines are on the disk."""
        with naming(self._path):
            os.fsync(self._file.fileno())

    def close(self) -> None:
        """Closes the file."""
        self._file.close()


def _step(line: bytes) -> float:
    try:
        return float(json.loads(line)["step"])
    except (ValueError, KeyError, TypeError):  # no line of ours, or one that was damaged
        return float("inf")
