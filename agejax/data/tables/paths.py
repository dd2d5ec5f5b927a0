"""Paths of a table's images, as another table has them."""

import os
from pathlib import Path

from agejax.data.tables.parsing import image_path
from agejax.data.tables.rows import root_of


def moved_path(table: Path, root: str | None, cell: str, out: Path) -> str:
    """The path of an image for the table `out`: relative where it lies below, else absolute.

    Args:
      table: the table that names the image.
      root: the base folder of its relative paths; None for its own.
      cell: its path there.
      out: the other table.
    """
    folder, home = Path(os.path.abspath(root_of(table, root))), out.absolute().parent
    image = Path(os.path.normpath(folder / image_path(cell)))
    return (image.relative_to(home) if image.is_relative_to(home) else image).as_posix()
