"""Where numbers go: `metrics.jsonl` and JSON files, each written so that a kill cannot halve it."""

import json
import os
from pathlib import Path
from typing import Any


def write_text(path: Path, text: str) -> None:
    """Writes a file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        beside.write_text(text, encoding="utf-8")
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


class MetricsLog:
    """`metrics.jsonl`: a line a log step, each step once, also where a run was resumed."""

    def __init__(self, path: Path, *, after: int):
        """Opens it for lines after step `after`; an interrupted run's own of those are dropped."""
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        write_text(path, "".join(f"{line}\n" for line in lines if _step(line) <= after))
        self._file = path.open("a", encoding="utf-8")

    def write(self, **numbers: Any) -> None:
        """Appends a line; `step` is among the numbers."""
        self._file.write(json.dumps(numbers) + "\n")
        self._file.flush()

    def close(self) -> None:
        """Closes the file."""
        self._file.close()


def _step(line: str) -> float:
    try:
        return json.loads(line)["step"]
    except (ValueError, KeyError):  # cut off in the middle of a line
        return float("inf")
