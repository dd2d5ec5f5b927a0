"""Predictions of anything, such as another package or a person, from a table of one row per face.

Its columns are `path` and at least one of `age` (years, decimals allowed) and `gender` (female or
male, as in a table of faces). The truth is that of an evaluation of the same faces.
"""

import posixpath
import re
import unicodedata
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from agejax.data.tables.parsing import BadRow, gender_code, is_nothing
from agejax.data.tables.table import Cells, Table
from agejax.errors import UserError

SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson", ".json", ".parquet")
_OLDEST = 120  # years; predictions may exceed the largest label
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_QUOTED = 3  # rows that an error quotes
_TYPES: Mapping[str, type] = {"age": np.float64, "gender": np.int64}


def read_predicted(file: Path, truth: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The predictions of a table for the faces of an evaluation, in their order.

    Args:
      file: the table, in any format that tables of faces have.
      truth: the arrays of an evaluation, as of `agejax.evaluation.predictions.read_predictions`.

    Returns:
      `truth` without its probabilities, `person` and `checkpoint`; with `TASK_predicted`, [N] of
      years or classes, for the columns of the table, and `ignored`, the number of its rows that are
      not of these faces.

    Raises:
      UserError: a row cannot be used, a path occurs twice, or a face has no row.
    """
    table = Table(file)
    tasks = [task for task in _TYPES if task in table.columns]
    if not tasks:
        raise UserError(
            f"{file}: it has neither a column 'age' nor 'gender', but "
            f"{', '.join(map(repr, table.columns))}; predictions are `path` and one of these"
        )
    place = {_composed(path): i for i, path in enumerate(truth["path"].tolist())}
    values: dict[int, tuple[float, ...]] = {}
    seen: dict[str, int] = {}
    bad: list[tuple[int, BadRow]] = []
    for number, row in _rows(table, tasks):
        if isinstance(row, BadRow):
            bad.append((number, row))
            continue
        path = _path_of(row[0], place)
        if (before := seen.setdefault(path, number)) != number:
            bad.append((number, BadRow(f"the path of row {before}, too", row[0])))
        elif path in place:
            values[place[path]] = row[1]
    if bad:
        quoted = "; ".join(f"row {number}: {why}" for number, why in bad[:_QUOTED])
        more = " and so on" if len(bad) > _QUOTED else ""
        raise UserError(f"{file}: {len(bad):,} of its rows cannot be used ({quoted}{more})")
    if missing := sorted(set(range(len(truth["path"]))) - values.keys()):
        example = next((path for path in seen if path not in place), None)
        theirs = f"; a face of the table is {example!r}" if example else ""
        raise UserError(
            f"{file}: {len(missing):,} of the {len(truth['path']):,} evaluated faces have no row, "
            f"such as {truth['path'][missing[0]]}{theirs}"
        )
    columns = zip(*(values[i] for i in range(len(values))), strict=True)
    found: dict[str, np.ndarray] = {
        f"{task}_predicted": np.array(column, _TYPES[task])
        for task, column in zip(tasks, columns, strict=True)
    }
    return _labels(truth, tasks) | found | {"ignored": np.array(len(seen) - len(values))}


def _labels(truth: Mapping[str, np.ndarray], tasks: list[str]) -> dict[str, Any]:
    names = ["path", *(f"{task}_{what}" for task in tasks for what in ("label", "upto", "known"))]
    return {name: truth[name] for name in names if name in truth}


def _rows(
    table: Table, tasks: list[str]
) -> Iterator[tuple[int, tuple[str, tuple[float, ...]] | BadRow]]:
    for number, cells in table:
        try:
            if isinstance(cells, BadRow):
                raise cells
            cells = table.with_points(cells)
            if not cells.get("path", "").strip():
                raise BadRow("no path")
            yield number, (cells["path"], tuple(_PARSE[task](cells) for task in tasks))
        except BadRow as bad:
            yield number, bad


def _age(cells: Cells) -> float:
    text = cells.get("age", "").strip()
    if is_nothing(text):
        raise BadRow("no age", repr(cells["path"]))
    if not _NUMBER.fullmatch(text):
        raise BadRow("not an age in years", repr(text))
    if not 0 <= float(text) <= _OLDEST:
        raise BadRow(f"an age outside 0..{_OLDEST}", repr(text))
    return float(text)


def _gender(cells: Cells) -> int:
    code = gender_code(cells.get("gender", ""))
    if code is None:
        raise BadRow("no gender", repr(cells["path"]))
    return code


_PARSE = {"age": _age, "gender": _gender}


def _path_of(cell: str, known: Mapping[str, int]) -> str:
    """A path in the form of an evaluation's, if it is there in any form."""
    forms = [_composed(cell), _composed(posixpath.normpath(cell.strip().replace("\\", "/")))]
    return next((form for form in forms if form in known), forms[1])


def _composed(path: str) -> str:
    return path if path.isascii() else unicodedata.normalize("NFC", path)
