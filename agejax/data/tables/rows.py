"""A row of a table as a face: what is known of it, checked."""

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
    """What a table tells of a face.

    Attributes:
      path: of its image, relative to the table's root, or absolute.
      age: the first and last year that it may be; None where it is not known.
      gender: 0 female, 1 male; None where it is not known.
      person: whose it is; "" where that is not known.
      split: "train", "validation", "test", or "" to be given one.
      attributes: every other column; "" where it says nothing.
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
      BadRow: a cell cannot be meant.
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
    """Each row's number and its face, or what is wrong with it."""
    for number, cells in table:
        if isinstance(cells, BadRow):
            yield number, cells
            continue
        try:
            yield number, face_of(table.with_points(cells))
        except BadRow as bad:
            yield number, bad


def root_of(file: Path, root: str | None) -> Path:
    """Where the images of a table lie: `root`, or the table's own folder."""
    return Path(expanded(root)) if root else file.absolute().parent
