"""Where numbers go: `metrics.jsonl`, of which a kill loses no line that a checkpoint counts on."""

import json
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Protocol

from ml_collections import ConfigDict

from agejax import config as configs
from agejax.distributed.initialize import is_first
from agejax.utils.atomic_write import naming, write_text
from agejax.utils.files import no_link
from agejax.utils.notes import note

_NO_STEP = float("inf")


class Writer(Protocol):
    """What `config.writers` name: where numbers go beside `metrics.jsonl`.

    Made by `writer(workdir, config, after)`: the run's folder, its config as plain mappings, and
    the step it goes on from; what an interrupted run wrote of later ones is void.
    """

    def write(self, step: int, numbers: Mapping[str, float]) -> None:
        """Takes the numbers of a step, by names such as "validation/age/mae/median"."""

    def close(self) -> None:
        """Training ends."""


def open_log(config: ConfigDict, workdir: Path, *, after: int) -> "MetricsLog":
    """`metrics.jsonl` of a run that goes on after a step, and what else `config.writers` name.

    Raises:
      UserError: a writer cannot be, as where its package is not installed.
    """
    plain = json.loads(configs.to_json(config))
    wanted = configs.writers(config) if is_first() else []
    others = [make(workdir, plain, after) for make in wanted]
    return MetricsLog(workdir / "metrics.jsonl", after=after, others=others)


class MetricsLog:
    """A JSON line for each of some steps; each step once, also where a run was resumed."""

    def __init__(self, path: Path, *, after: int, others: Sequence[Writer] = ()):
        """Opens it for lines after step `after`; an interrupted run's own of those are dropped.

        `others` are told every line, too.
        """
        self._path, self._others = path, others
        lines = path.read_bytes().splitlines(keepends=True) if path.exists() else []
        kept = [line.decode() for line in lines if line.endswith(b"\n") and _step(line) <= after]
        if damaged := sum(_step(line) == _NO_STEP for line in lines[:-1]):
            note(f"{path}: {damaged} of its lines are damaged, and dropped")
        if len(kept) < len(lines):
            write_text(path, "".join(kept))
        self._file: IO[str] | None = None

    def write(self, **numbers: Any) -> None:
        """Appends a line; `step` is among the numbers."""
        with naming(self._path):
            if self._file is None:
                self._file = open(self._path, "a", encoding="utf-8", opener=no_link)  # noqa: SIM115
            self._file.write(json.dumps(numbers) + "\n")
            self._file.flush()
        step = numbers.pop("step")
        told = {key.replace(".", "/"): value for key, value in configs.flat(numbers)}
        told = {key: float(x) for key, x in told.items() if isinstance(x, int | float)}
        for writer in self._others:
            writer.write(step, {key: x for key, x in told.items() if math.isfinite(x)})

    def sync(self) -> None:
        """Waits until the lines are on the disk."""
        if self._file is not None:
            with naming(self._path):
                os.fsync(self._file.fileno())

    def close(self) -> None:
        """Closes the file, and the others."""
        if self._file is not None:
            with naming(self._path):  # what could not be written is tried once more
                self._file.close()
        for writer in self._others:
            writer.close()


def _step(line: bytes) -> float:
    try:
        return float(json.loads(line.decode("utf-8"))["step"])
    except (ValueError, LookupError, TypeError, OverflowError, RecursionError):  # damaged
        return _NO_STEP
