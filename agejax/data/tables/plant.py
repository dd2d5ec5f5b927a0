"""Plants wrong labels, to measure what a method that finds or survives them is worth."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from agejax.data.tables.csv_cells import CsvWriter
from agejax.data.tables.parsing import BadRow
from agejax.data.tables.paths import moved_path
from agejax.data.tables.rows import Face, face_of
from agejax.data.tables.table import Cells, Table
from agejax.data.tables.written import written
from agejax.errors import UserError
from agejax.labels import AGES, GENDER_NAMES

COLUMN = "planted"
KINDS = {
    "swap": "the age of another row",
    "year": "the age off by a number of years, as by a wrong year of the photo",
    "gender": "the other gender",
}
YEARS = {"swap": (1, AGES - 1), "year": (5, 14)}  # the least and the most difference, by default


class Planted(NamedTuple):
    """What was planted.

    Attributes:
      rows: int [P], in ascending order.
      source: int [P], for a swap the row whose age each has now.
      label: int [P], the new age or gender; for a swap of ranges the first year.
    """

    rows: np.ndarray
    source: np.ndarray
    label: np.ndarray


def plant(
    kind: str,
    label: np.ndarray,
    known: np.ndarray,
    rate: float,
    seed: int = 0,
    years: tuple[int, int] | None = None,
    last: np.ndarray | None = None,
) -> Planted:
    """Chooses rows at random and a wrong label for each.

    Args:
      kind: one of `KINDS`.
      label: int [N] ages, or genders.
      known: bool [N]; only these may be chosen, and count for `rate`.
      rate: the share of the known labels that become wrong.
      seed: determines the choice.
      years: the least and the most difference to the old age; by default as in `YEARS`.
      last: int [N], the last year of ages that are ranges; differences are between their ends.

    Raises:
      UserError: the rate or the years are not possible, or too few labels can be wrong in this way.
    """
    if not 0 < rate <= 1:
        raise UserError(f"the rate is {rate:g}; it must be above 0 and at most 1")
    rng, wanted = np.random.default_rng(seed), round(rate * int(known.sum()))
    if kind == "gender":
        rows = _some(known, wanted, rng)
        return Planted(rows, rows, 1 - label[rows])
    least, most = years or YEARS[kind]
    if not 1 <= least <= most:
        raise UserError(f"years from {least} to {most}: the first must be 1 or more, and the least")
    last = label if last is None else last
    # The candidates of each row are two runs, one of ages before its own and one of ages after it.
    if kind == "swap":
        there = np.flatnonzero(known)
        by_last, by_first = (there[np.argsort(of[there], kind="stable")] for of in (last, label))
        ends, starts = last[by_last], label[by_first]
    else:
        ends = starts = by_last = by_first = np.arange(AGES)
    below = np.searchsorted(ends, label - most), np.searchsorted(ends, label - least, "right")
    above = np.searchsorted(starts, last + least), np.searchsorted(starts, last + most, "right")
    counts = below[1] - below[0], above[1] - above[0]
    rows = _some(known & (counts[0] + counts[1] > 0), wanted, rng)
    pick = rng.integers(0, (counts[0] + counts[1])[rows])
    under = pick < counts[0][rows]
    source = np.empty(len(rows), np.int64)
    source[under] = by_last[(below[0][rows] + pick)[under]]
    source[~under] = by_first[(above[0] - counts[0])[rows][~under] + pick[~under]]
    return Planted(rows, source, label[source] if kind == "swap" else source)


def _some(may: np.ndarray, wanted: int, rng: np.random.Generator) -> np.ndarray:
    those = np.flatnonzero(may)
    if not wanted or len(those) < wanted:
        more = "" if wanted else "; name a higher rate"
        raise UserError(f"{len(those):,} labels can become wrong in this way, not {wanted:,}{more}")
    return np.sort(rng.choice(those, wanted, replace=False))


def plant_table(
    file: Path,
    out: Path,
    kind: str,
    rate: float,
    seed: int = 0,
    years: tuple[int, int] | None = None,
    root: str | None = None,
) -> tuple[int, int]:
    """Writes a table with wrong labels, and a column `planted` that says what each label was.

    Args:
      file: a table of faces.
      out: the `.csv` to write; its paths lead to the same images.
      kind: as in `plant`, as are `rate`, `seed` and `years`.
      rate: see there.
      seed: see there.
      years: see there.
      root: the base folder of relative paths; None for the table's own.

    Returns:
      How many labels were planted, and how many rows there are.

    Raises:
      UserError: a row cannot be used, `out` is the table itself, or as `plant`.
    """
    table = Table(file)
    if out.suffix.lower() != ".csv":
        raise UserError(f"-o {out}: it must end in .csv")
    if out.exists() and out.samefile(file):
        raise UserError(f"-o {out}: this is the table itself; name another file")
    if COLUMN in table.columns:
        raise UserError(f"{file}: it has a column {COLUMN!r} already; start from the table without")
    task = "gender" if kind == "gender" else "age"
    cells, faces = _read(table)
    given = [getattr(face, task) for face in faces]
    first = [of[0] if isinstance(of, tuple) else of for of in given]
    # a range has no single year to move
    exact = [not (kind == "year" and isinstance(of, tuple) and of[0] != of[1]) for of in given]
    known = np.array([of is not None for of in given]) & np.array(exact, bool)
    label = np.array([of or 0 for of in first], np.int64)
    last = np.array([of[1] if isinstance(of, tuple) else of or 0 for of in given], np.int64)
    planted = plant(kind, label, known, rate, seed, years, last)
    new = dict(
        zip(planted.rows.tolist(), zip(planted.source, planted.label, strict=True), strict=True)
    )
    with written(out) as opened:
        columns = [*table.columns, *({task} - {*table.columns}), COLUMN]
        writer = CsvWriter(opened, columns)
        writer.writeheader()
        for i, row in enumerate(cells):
            path = moved_path(file, root, row["path"], out)
            changed = {} if i not in new else {
                task: _cell(kind, cells, *new[i]), COLUMN: f"{task} was {row[task].strip()}"
            }  # fmt: skip
            writer.writerow(row | {"path": path} | changed)
    return len(new), len(cells)


def _read(table: Table) -> tuple[list[Cells], list[Face]]:
    cells, faces = [], []
    for number, row in table:
        try:
            if isinstance(row, BadRow):
                raise row
            cells.append(table.with_points(row))
            faces.append(face_of(cells[-1]))
        except BadRow as bad:
            raise UserError(
                f"{table.file}: row {number} cannot be used ({bad}); `agejax check {table.file} "
                f"--good FILE` writes a table of the others"
            ) from bad
    if not cells:
        raise UserError(f"{table.file}: there is no face in it")
    return cells, faces


def _cell(kind: str, cells: list[Cells], source: int, label: int) -> str:
    if kind == "swap":
        return cells[source]["age"]
    return GENDER_NAMES[label] if kind == "gender" else str(label)
