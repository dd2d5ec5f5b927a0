"""Attributes of faces from a CSV table: for metrics by group, never for training."""

import csv
import unicodedata
from pathlib import Path

import numpy as np

from agejax.data.faces import UNKNOWN
from agejax.data.tables.csv_cells import unescaped
from agejax.errors import UserError


def read_attributes(file: Path, paths: np.ndarray) -> dict[str, np.ndarray]:
    """The columns of a CSV for the given faces.

    Args:
      file: UTF-8, with a header: `path` and one or more other columns, such as `race`.
      paths: str [N], as in `Faces.path`.

    Returns:
      {column: str [N]}, "unknown" if a face has no row, or an empty cell.

    Raises:
      UserError: the file or a column does not exist, a column or a path appears twice, or none of
        the faces is in it.
    """
    if not file.is_file():
        raise UserError(f"{file}: there is no such table of attributes")
    try:
        with file.open(newline="", encoding="utf-8-sig") as opened:
            rows = [[unescaped(cell) for cell in row] for row in csv.reader(opened)]
    except (UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{file}: not a CSV table in UTF-8 ({error})") from error
    header = rows[0] if rows else []
    columns = [name for name in header if name != "path"]
    if "path" not in header or not columns:
        raise UserError(f"{file}: its columns must be `path` and others, not {header}")
    if twice := [name for name in header if header.count(name) > 1]:
        raise UserError(f"{file}: it has more than one column {twice[0]!r}")
    if uneven := [i for i, row in enumerate(rows, 1) if row and len(row) != len(header)]:
        raise UserError(f"{file}, row {uneven[0]}: not {len(header)} cells")
    by_path: dict[str, dict[str, str]] = {}
    for number, row in enumerate(rows[1:], 2):
        cells = dict(zip(header, row, strict=True)) if row else None
        if cells and by_path.setdefault(_key(cells["path"]), cells) != cells:
            raise UserError(f"{file}, row {number}: {cells['path']} appears above with other cells")
    found = [by_path.get(_key(path), {}) for path in paths.tolist()]
    if not any(found):
        example = f", such as {paths[0]}" if len(paths) else ""
        raise UserError(f"{file}: none of the {len(paths):,} faces is in it{example}")
    return {name: np.array([row.get(name) or UNKNOWN for row in found]) for name in columns}


def _key(path: str) -> str:
    """A path in one Unicode normal form; see `agejax.data.tables.spellings`."""
    return path if path.isascii() else unicodedata.normalize("NFC", path)
