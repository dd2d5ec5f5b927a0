"""Imports FairFace as rows of a table, from its archives or from redistributed copies."""

from collections.abc import Iterator
from pathlib import Path

from agejax.data.tables.importers import Imported, Meaning, from_table
from agejax.data.tables.parsing import BadRow, image_path
from agejax.data.tables.spellings import file_of
from agejax.errors import UserError

_COLUMNS = {"path": "file", "age": "age", "gender": "gender", "race": "race"}
_GROUPS = [(0, 2), (3, 9), *((first, first + 9) for first in range(10, 70, 10))]


def from_fairface(folder: Path, meaning: Meaning) -> Iterator[Imported]:
    """FairFace (Kärkkäinen and Joo, WACV 2021): the faces listed in its two label files.

    The faces are in `train/` and `val/` beside the label files, or in a subfolder, as in the
    published archives. FairFace's validation split becomes our test split; our validation split is
    a tenth of its training faces, chosen by a hash.

    Raises:
      UserError: a label file is missing, or the faces are in more than one place.
    """
    for part, split in (("train", "train"), ("val", "test")):
        rows = from_table(folder / f"fairface_label_{part}.csv", _COLUMNS, meaning, _GROUPS)
        home = _home(folder, part)
        for row in rows:
            if row.cells is None:
                yield row
                continue
            cells = {name: row.cells.get(name, "") for name in _COLUMNS} | {"split": split}
            try:
                yield row._replace(cells=cells | {"path": _image(home, cells["path"], part)})
            except BadRow as bad:
                yield Imported(row.source, None, bad)


def _image(home: Path, cell: str, part: str) -> str:
    path = image_path(cell)
    if Path(path).is_absolute():
        raise BadRow("a path that leads outside the data's folder", repr(cell))
    file = file_of(home, path)
    if not file.is_file():
        raise BadRow(f"an image that is not there (searched in {home / part})", path)
    return str(file)


def _home(folder: Path, part: str) -> Path:
    """The folder that contains `train/` or `val/`."""
    if (folder / part).is_dir():
        return folder
    found = sorted(home for home in folder.glob("*/") if (home / part).is_dir())
    if len(found) > 1:
        raise UserError(
            f"{folder}: there is no folder {part}, but {found[0] / part} and {found[1] / part}; "
            f"move one away"
        )
    return found[0] if found else folder
