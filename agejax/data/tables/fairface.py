"""Imports FairFace as rows of a table, from its archives or from redistributed copies."""

import functools
import hashlib
import os
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
    a tenth of its training faces, chosen by a hash. A training image that is a validation image as
    well, byte for byte, is left out.

    Raises:
      UserError: a label file is missing, or the faces are in more than one place.
    """
    for part, split in (("train", "train"), ("val", "test")):
        rows = from_table(folder / f"fairface_label_{part}.csv", _COLUMNS, meaning, _GROUPS)
        home = _home(folder, part)
        held_out = _Files(_home(folder, "val") / "val") if part == "train" else None
        for row in rows:
            if row.cells is None:
                yield row
                continue
            cells = {name: row.cells.get(name, "") for name in _COLUMNS} | {"split": split}
            try:
                image = _image(home, cells["path"], part)
                if held_out is not None and held_out.have(image):
                    raise BadRow("a training image that is a validation image, too", cells["path"])
                yield row._replace(cells=cells | {"path": image})
            except BadRow as bad:
                yield Imported(row.source, None, bad)


class _Files:
    """The files of a folder, compared by their bytes; only those of one size are read."""

    def __init__(self, folder: Path):
        self._of_size: dict[int, list[Path]] = {}
        for entry in os.scandir(folder) if folder.is_dir() else ():
            if entry.is_file():
                self._of_size.setdefault(entry.stat().st_size, []).append(Path(entry.path))
        self._hash = functools.cache(lambda file: hashlib.sha256(file.read_bytes()).digest())

    def have(self, image: str) -> bool:
        alike = self._of_size.get(os.stat(image).st_size, ())
        if not alike:
            return False
        own = hashlib.sha256(Path(image).read_bytes()).digest()
        return any(self._hash(file) == own for file in alike)


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
