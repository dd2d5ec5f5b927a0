"""Prints predictions: as text, as JSON lines or as CSV."""

import json
from collections.abc import Callable, Sequence
from typing import Any, TextIO

from agejax.data.tables.csv_cells import CsvWriter
from agejax.inference.prediction import Reading

Show = Callable[[Reading], None]
_BOX = ("x", "y", "width", "height")
_READ = ("age", "age_low", "age_high", "gender", "gender_probability", "unsure")


def as_lines(out: TextIO) -> Show:
    """Prints a line for each face, e.g. "photo.jpg: M/46 (38-55)"."""
    return lambda reading: print(*reading.lines(), sep="\n", file=out)


def as_json(out: TextIO, distribution: bool = False) -> Show:
    """Prints a JSON object a line for each face; for a photo without faces, one with face null."""

    def show(reading: Reading) -> None:
        for row in _rows(reading, distribution):
            print(json.dumps(row), file=out)

    return show


def as_csv(out: TextIO, thresholds: Sequence[int] = ()) -> Show:
    """Prints a CSV table with a row for each face; for a photo without faces, only its path.

    Each of the predictor's thresholds has a column, such as `at_least_18`.
    """
    reached = [f"at_least_{t}" for t in thresholds]
    writer = CsvWriter(out, ("path", "face", *_READ, *reached, *_BOX, "note"))
    writer.writeheader()

    def show(reading: Reading) -> None:
        for row in _rows(reading):
            unsure, box = row.pop("unsure", []), row.pop("box", None) or [None] * 4
            row |= dict(zip(_BOX, box, strict=True))
            row.pop("others", None)  # only JSON includes other tasks
            row |= {f"at_least_{t}": p for t, p in row.pop("at_least", {}).items()}
            writer.writerow(row | {"unsure": " ".join(unsure)})

    return show


def _rows(reading: Reading, distribution: bool = False) -> list[dict[str, Any]]:
    if not reading.faces:
        return [{"path": reading.path, "face": None}]
    return [
        {"path": reading.path, "face": i} | face.as_dict(distribution) | {"note": reading.note}
        for i, face in enumerate(reading.faces, start=1)
    ]
