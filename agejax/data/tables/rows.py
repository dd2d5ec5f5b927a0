"""Converts a row of a table to a face, with checks."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from agejax.data.tables.parsing import (
    OWN,
    BadRow,
    age_range,
    gender_code,
    image_path,
    is_nothing,
    split_name,
)
from agejax.data.tables.table import Cells, Table
from agejax.utils.paths import expanded


class Face(NamedTuple):
    """The data of a table about one face.

    Attributes:
      path: of its image, relative to the table's root or absolute.
      age: the first and last possible year; None if not known.
      gender: 0 female, 1 male; None if not known.
      person: the person; "" if not known.
      split: "train", "validation", "test", or "" to have one assigned.
      attributes: all other columns; "" for an unknown value.
    """

    path: str
    age: tuple[int, int] | None
    gender: int | None
    person: str
    split: str
    attributes: dict[str, str]


def face_of(cells: Cells) -> Face:
    """The face of a row.

    Raises:
      BadRow: a cell is not valid.
    """
    person = cells.get("person", "").strip()
    return Face(
        image_path(cells.get("path", "")),
        age_range(cells.get("age", "")),
        gender_code(cells.get("gender", "")),
        "" if is_nothing(person) else person,
        split_name(cells.get("split", "")),
        {
            name: "" if is_nothing(cell) else cell.strip()
            for name, cell in cells.items()
            if name not in OWN
        },
    )


def faces_of(table: Table) -> Iterator[tuple[int, Face | BadRow]]:
    """Each row's number with its face, or with the error."""
    for number, cells in table:
        if isinstance(cells, BadRow):
            yield number, cells
            continue
        try:
            yield number, face_of(table.with_points(cells))
        except BadRow as bad:
            yield number, bad


def root_of(file: Path, root: str | None) -> Path:
    """The folder of a table's images: `root`, or the table's own folder."""
    return Path(expanded(root)) if root else file.absolute().parent
