"""Imports published lists of faces, as they are distributed, as rows of a table.

benchmark   a database of the Facial Age Estimation Benchmark (Paplhám and Franc, CVPR 2024): JSON
            of `img_path`, `age`, `gender`, `id_num` or `name`, `folder`, `aligned_bbox`
imdb_clean  imdb_train_new_1024.csv and so on of IMDB-Clean (Lin et al., 2021): `filename`, `age`,
            `gender`, `x_min`, `y_min`, `x_max`, `y_max`
mivolo      annotations of MiVOLO (Kuprashevich and Tolstykh, 2023): `img_name`, `age`, `gender`,
            `face_x0`, `face_y0`, `face_x1`, `face_y1`; several rows of an image are several faces
"""

import json
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from agejax.data.tables.importers import Imported
from agejax.data.tables.parsing import BadRow, age_range, gender_code, image_path
from agejax.data.tables.spellings import file_of
from agejax.data.tables.table import Cells, Table
from agejax.errors import UserError
from agejax.labels import AGES

# From the crop's upper left corner clockwise: x, y of each, in pixels of the image.
Corners = tuple[float, ...]
Cut = Callable[[Path, str, Corners], Path]

_IMDB_PERSON = re.compile(r"(?:^|/)(nm\d+)_rm\d+[^/]*$")
_SPLITS = {"train": "train", "valid": "validation", "val": "validation", "test": "test"}
_OFFICIAL = {"0": "train", "1": "validation", "2": "test"}  # of a benchmark's set with one split


class _List(NamedTuple):
    """The columns of a kind of list."""

    path: str
    person: Sequence[str]
    corners: Sequence[str]
    needs: Sequence[str]


_LISTS = {
    "benchmark": _List("img_path", ("id_num", "name"), ("aligned_bbox",), ("folder",)),
    "imdb_clean": _List("filename", (), ("x_min", "y_min", "x_max", "y_max"), ()),
    "mivolo": _List("img_name", (), ("face_x0", "face_y0", "face_x1", "face_y1"), ()),
}
KINDS = tuple(_LISTS)


def from_list(kind: str, source: Path, root: Path | None, cut: Cut | None) -> Iterator[Imported]:
    """A row for each face of a list: path, age, gender, person, and its split or fold.

    The split of a CSV is in its name ("train", "valid" or "test"), a fold the number at its end. A
    database of the benchmark has a column `fold` of its folders, or, with the three folders of a
    set that defines one split, a column `split`.

    Args:
      kind: one of KINDS.
      source: the list, or a folder with several.
      root: the folder from which its paths start; None for the list's own.
      cut: (image, path in the list, corners of the face) -> the file of its crop; None to use the
        images as they are.

    Raises:
      UserError: there is no such list, or it lacks a column.
    """
    of, files = _LISTS[kind], _files(kind, source)
    seen: set[str] = set()
    for file in files:
        table = Table(file, needs=(of.path, "age", *of.needs))
        column, parts = _parts(kind, table)
        for number, cells in table:
            where = f"{file}, row {number}"
            try:
                if isinstance(cells, BadRow):
                    raise cells
                row = _labels(of, cells)
                row[column] = parts[cells.get("folder", "").strip()] if parts else _part_of(file)
                listed = image_path(cells[of.path])
                image = _image(root or file.parent, listed)
                if cut is not None:
                    image = cut(image, listed, _corners(of, cells))
                elif str(image) in seen:
                    raise BadRow("a second face of an image; --images cuts faces out", listed)
                seen.add(str(image))
                yield Imported(where, {"path": str(image), **row})
            except BadRow as bad:
                yield Imported(where, None, bad)


def _files(kind: str, source: Path) -> list[Path]:
    if not source.is_dir():
        return [source]  # a missing one is an error of Table
    found = sorted(source.glob("*.json" if kind == "benchmark" else "*.csv"))
    if kind == "imdb_clean":
        # The lists of whole photos have the same faces; detections are no list of faces.
        named = [file for file in found if re.search(r"_(train|valid|test)_", file.name)]
        found = [file for file in named if "1024" in file.name] or named
    if kind == "benchmark" and len(found) > 1:
        raise UserError(f"{source}: name one database, such as {found[0]}")
    if not found:
        raise UserError(f"{source}: there is no list of {kind} in this folder")
    return found


def _parts(kind: str, table: Table) -> tuple[str, dict[str, str]]:
    """The column for a split or a fold, and what each folder of a database means."""
    if kind != "benchmark":
        return ("fold" if _fold_of(table.file) else "split"), {}
    rows = (cells for _, cells in table if not isinstance(cells, BadRow))
    folders = {cells.get("folder", "").strip() for cells in rows}
    if folders == set(_OFFICIAL):
        return "split", _OFFICIAL
    return "fold", {folder: folder for folder in folders}


def _part_of(file: Path) -> str:
    """The split, or the fold, that a list's name tells; "" for neither."""
    words = re.split(r"[^a-z]+", file.stem.casefold())
    split = next((_SPLITS[word] for word in words if word in _SPLITS), "")
    return _fold_of(file) or split


def _fold_of(file: Path) -> str:
    if re.search(r"train|val|test", file.stem, re.IGNORECASE):
        return ""
    number = re.search(r"(?:^|_)(\d{1,2})(?:_annotations?)?$", file.stem)
    return number[1] if number else ""


def _labels(of: _List, cells: Cells) -> dict[str, str]:
    """Age, gender and person in the notation of a table of faces.

    Raises:
      BadRow: neither age nor gender is known, or one is not valid.
    """
    age, gender = (_known(cells.get(name, "")) for name in ("age", "gender"))
    if match := re.fullmatch(r"\s*(\d+)\s*;\s*(\d+)\s*", age):
        age = f"{match[1]}+" if int(match[2]) >= AGES else f"{match[1]}-{match[2]}"
    if age_range(age) is None and gender_code(gender) is None:
        raise BadRow("neither an age nor a gender")
    person = next((cells[name].strip() for name in of.person if _known(cells.get(name, ""))), "")
    found = _IMDB_PERSON.search(cells[of.path])
    return {"age": age, "gender": gender, "person": person or (found[1] if found else "")}


def _known(cell: str) -> str:
    """A cell, or "" where it stands for an unknown value in these lists."""
    return "" if cell.strip() in ("-1", "-1.0", "U") else cell.strip()


def _image(root: Path, path: str) -> Path:
    if Path(path).is_absolute():
        raise BadRow("a path that leads outside the data's folder", repr(path))
    file = file_of(root, path)
    if not file.is_file():
        raise BadRow(f"an image that is not there (searched in {root})", path)
    return file


def _corners(of: _List, cells: Cells) -> Corners:
    texts = [cells.get(name, "") for name in of.corners]
    try:
        if len(texts) == 1:
            found = tuple(map(float, json.loads(texts[0])))
        else:
            left, top, right, bottom = map(float, texts)
            found = (left, top, right, top, right, bottom, left, bottom)
    except (ValueError, TypeError, RecursionError) as error:
        raise BadRow("no box of the face", repr(" ".join(texts))) from error
    if len(found) != 8:
        raise BadRow("no box of the face", repr(" ".join(texts)))
    return found
