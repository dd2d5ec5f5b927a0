"""Checks a table of faces completely: errors, doubtful rows and imbalances.

About 40 bytes are kept for each row, so that a table of a million rows needs tens of MiB of
memory: cells are hashed, and images are decoded and discarded.
"""

import array
import collections
import dataclasses
import hashlib
import itertools
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from agejax.data.decode import BadImage, canonical, verify
from agejax.data.own_faces import image_of
from agejax.data.parallel import in_order
from agejax.data.tables.issues import Findings
from agejax.data.tables.parsing import OWN, BadRow
from agejax.data.tables.rows import Face, faces_of, root_of
from agejax.data.tables.table import Table
from agejax.errors import UserError

SPLIT_NAMES = ("", "train", "validation", "test")
MIN_SIDE = 16  # pixels, as in `tfds_imdb_wiki`
MOST_VALUES = 30  # of a column whose values are counted

Progress = Callable[..., Any]


@dataclasses.dataclass
class Checked:
    """The results of a check.

    Attributes:
      table: the table.
      rows: number of rows.
      wrong: rows that cannot be used, and contradictory labels.
      doubtful: issues that do not stop training but deserve a look.
      columns: {name: int [N]} of the usable rows: "number", "first" and "last" (years, -1 if
        unknown), "gender" (-1), "split" (of `SPLIT_NAMES`), "person", "image" (hashes; 0: unknown).
      values: {attribute: {value: count}}; None for one of more than 30 values.
    """

    table: Table
    rows: int
    wrong: Findings
    doubtful: Findings
    columns: dict[str, np.ndarray]
    values: dict[str, collections.Counter[str] | None]


def check(
    file: Path, root: str | None = None, *, images: bool = True, progress: Progress
) -> Checked:
    """Reads a table and all its images.

    Args:
      file: the table.
      root: the base folder of relative paths; None for the table's own folder.
      images: False checks only the table.
      progress: `tqdm`, or a function with the same arguments.

    Raises:
      UserError: it is not a table, or it has no rows.
    """
    table = Table(file)
    wrong, doubtful = Findings(), Findings()
    columns, values, rows = _read_table(table, wrong, progress)
    if not rows:
        raise UserError(f"{file}: there is no face in it")
    same = _repeated(columns["path"])
    for number in columns["number"][same]:
        wrong.row(int(number), "the path of a row above")
    columns["image"] = np.zeros(len(columns["number"]), np.uint64)
    if images:
        _read_images(table, root_of(file, root), columns, wrong, progress)
    usable = ~np.isin(columns["number"], np.array(wrong.rows))
    columns = {name: column[usable] for name, column in columns.items()}
    _compare_labels(columns, wrong, doubtful)
    _compare_splits(columns, wrong)
    return Checked(table, rows, wrong, doubtful, columns, values)


def _read_table(
    table: Table, wrong: Findings, progress: Progress
) -> tuple[dict[str, np.ndarray], dict[str, collections.Counter[str] | None], int]:
    kinds = {"number": "I", "path": "Q", "person": "Q"}
    kinds |= dict.fromkeys(("first", "last", "gender", "split"), "b")
    kept = {name: array.array(kind) for name, kind in kinds.items()}
    names = [name for name in table.columns if name not in OWN]
    values: dict[str, collections.Counter[str] | None] = {n: collections.Counter() for n in names}
    rows = 0
    for number, face in progress(faces_of(table), desc="rows", unit="row", delay=1, leave=False):
        rows += 1
        if isinstance(face, BadRow):
            wrong.row(number, face.kind, face.detail)
            continue
        first, last = face.age or (-1, -1)
        cells = {
            "number": number,
            "path": _hash(face.path),
            "person": _hash(face.person) if face.person else 0,
            "first": first,
            "last": last,
            "gender": -1 if face.gender is None else face.gender,
            "split": SPLIT_NAMES.index(face.split),
        }
        for name, cell in cells.items():
            kept[name].append(cell)
        _count(values, face.attributes)
    return {name: np.array(column) for name, column in kept.items()}, values, rows


def _count(values: dict[str, Any], attributes: dict[str, str]) -> None:
    for name, value in attributes.items():
        if (counter := values.get(name)) is not None:
            counter[value] += 1
            if len(counter) > MOST_VALUES:
                values[name] = None


def _read_images(
    table: Table, folder: Path, columns: dict[str, np.ndarray], wrong: Findings, progress: Progress
) -> None:
    """Sets the column "image" to each image's hash."""
    faces = ((n, face) for n, face in faces_of(table) if not isinstance(face, BadRow))
    bar = progress(total=len(columns["number"]), desc="images", unit="face", delay=1, leave=False)
    look = lambda rows: [_look(folder, *row) for row in rows]
    with ThreadPoolExecutor(4) as pool, bar:
        looked = in_order(pool, look, _pieces(faces, 32), ahead=32)
        for i, (number, result) in enumerate(itertools.chain.from_iterable(looked)):
            bar.update()
            if isinstance(result, BadRow):
                wrong.row(number, result.kind, result.detail)
            else:
                columns["image"][i] = result


def _look(folder: Path, number: int, face: Face) -> tuple[int, int | BadRow]:
    try:
        data = image_of(folder, face.path)
        sides = verify(canonical(data))
    except BadRow as bad:
        return number, bad
    except BadImage as error:
        return number, BadRow("a damaged image", f"{face.path} ({error})")
    if min(sides) < MIN_SIDE:
        return number, BadRow(f"an image of fewer than {MIN_SIDE} pixels a side", face.path)
    return number, _hash(data)


def _compare_labels(columns: dict[str, np.ndarray], wrong: Findings, doubtful: Findings) -> None:
    """Finds byte-identical images, and faces of one person, with different labels."""
    number, first, last, gender = (columns[k] for k in ("number", "first", "last", "gender"))
    groups = list(_groups(columns["image"]))
    alike = len(groups)
    for rows in groups:
        said = f"rows {', '.join(map(str, number[rows[:3]]))}"
        known = rows[first[rows] >= 0]
        if len(known) and first[known].max() > last[known].min():
            years = sorted(set(first[known].tolist()))
            wrong.add("images under different ages", f"{said}: {' and '.join(map(str, years[:3]))}")
        if len(set(gender[rows].tolist()) - {-1}) > 1:
            wrong.add("images under both genders", said)
        doubtful.add(f"images more than once (in {alike:,} groups)", said, len(rows) - 1)
    for rows in _groups(columns["person"]):
        if len(set(gender[rows].tolist()) - {-1}) > 1:
            said = f"rows {', '.join(map(str, number[rows[:3]]))}"
            wrong.add("persons of both genders", said)
    for row in np.flatnonzero((first < 0) & (gender < 0)):
        doubtful.add("rows with neither age nor gender", f"row {number[row]}")


def _compare_splits(columns: dict[str, np.ndarray], wrong: Findings) -> None:
    for name, kind in (("person", "persons in two splits"), ("image", "images in two splits")):
        for rows in _groups(columns[name]):
            splits = set(columns["split"][rows].tolist()) - {0}
            if len(splits) > 1:
                one, other = sorted(splits)[:2]
                a, b = (
                    columns["number"][rows[columns["split"][rows] == split][0]]
                    for split in (one, other)
                )
                names = f"{SPLIT_NAMES[one]} and {SPLIT_NAMES[other]}"
                wrong.add(kind, f"rows {a} and {b}: {names}")


def _groups(keys: np.ndarray) -> Iterator[np.ndarray]:
    """The rows of each key other than 0 that appears more than once, by first row."""
    rows = np.flatnonzero(keys)
    _, where, counts = np.unique(keys[rows], return_inverse=True, return_counts=True)
    several = np.flatnonzero(counts[where] > 1)
    order = several[np.argsort(where[several], kind="stable")]
    starts = np.flatnonzero(np.diff(where[order], prepend=-1))
    groups = [rows[part] for part in np.split(order, starts[1:])] if len(order) else []
    yield from sorted(groups, key=lambda group: int(group[0]))


def _repeated(keys: np.ndarray) -> np.ndarray:
    """bool [N]: whether a key appears in an earlier row."""
    _, first = np.unique(keys, return_index=True)
    repeated = np.ones(len(keys), bool)
    repeated[first] = False
    return repeated


def _pieces(items: Iterable[Any], length: int) -> Iterator[list[Any]]:
    iterator = iter(items)
    while piece := list(itertools.islice(iterator, length)):
        yield piece


def _hash(value: str | bytes) -> int:
    data = value.encode("utf-8", "surrogateescape") if isinstance(value, str) else value
    return int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "little") or 1
