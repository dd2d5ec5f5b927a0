"""Faces of a user's own table, read in place or from a folder that `agejax pack` wrote."""

import functools
import hashlib
import itertools
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from agejax.data.decode import BadImage, canonical
from agejax.data.faces import UNKNOWN, Faces
from agejax.data.formats import FORMATS, format_of
from agejax.data.image_files import read_whole
from agejax.data.parallel import in_order
from agejax.data.tables.packed import modified, open_packed
from agejax.data.tables.parsing import BadRow
from agejax.data.tables.rows import Face, faces_of, root_of
from agejax.data.tables.spellings import file_of
from agejax.data.tables.splits import assign
from agejax.data.tables.table import Table
from agejax.errors import NoSuchSplit, UserError
from agejax.utils.notes import bar

_QUOTED = 3  # bad rows quoted in an error


def own_faces(split: str, *, path: str | None = None, root: str | None = None) -> Faces:
    """The faces of a split of a table.

    Args:
      split: "train", "validation" or "test", or "all" for every face of the table.
      path: a `.csv`, `.tsv`, `.jsonl` or `.parquet` file with a column `path` and any of `age`,
        `gender`, `person` and `split`; further columns become attributes. Or a folder that
        `agejax pack` wrote.
      root: the base folder of relative paths; None for the table's own folder.

    Raises:
      UserError: there is no such table, split or image, or a row cannot be used.
    """
    if not path:
        raise UserError("config.data.path is not set; set it to a table, such as faces.csv")
    file = Path(path)
    version = modified(file)
    faces, splits = _opened(path, root, version, os.getcwd())
    if split == "all":
        return faces
    if not (splits == split).any():
        there = ", ".join(f"{n:,} {name}" for name, n in zip(*_counted(splits), strict=True))
        raise NoSuchSplit(
            f"{path}: no face is in the split {split!r}; there are {there}. A column `split` sets "
            f"the splits"
        )
    return faces.where(splits == split)


@functools.lru_cache(maxsize=4)  # training calls it three times
def _opened(path: str, root: str | None, version: int, cwd: str) -> tuple[Faces, np.ndarray]:
    del version, cwd  # only cache keys: they detect a changed table
    return open_packed(Path(path)) if Path(path).is_dir() else open_table(Path(path), root)


def open_table(file: Path, root: str | None) -> tuple[Faces, np.ndarray]:
    """All faces of a table, and the split of each, str [N].

    Raises:
      UserError: the table, a row or an image cannot be used.
    """
    table, folder = Table(file), root_of(file, root)
    found: list[tuple[int, Face]] = []
    bad: list[tuple[int, BadRow]] = []
    for number, face in faces_of(table):
        if isinstance(face, BadRow):
            bad.append((number, face))
        else:
            found.append((number, face))
    found.sort(key=lambda row: row[1].path)
    bad += [(b[0], BadRow("the path of another row, too", b[1].path)) for b in _twice(found)]
    digests: list[str] = []
    for (number, _), digest in zip(found, _digests(folder, found, file.name), strict=True):
        if isinstance(digest, BadRow):
            bad.append((number, digest))
        else:
            digests.append(digest)
    if bad:
        raise _refusal(file, len(found), sorted(bad, key=lambda row: row[0]), folder)
    if not found:
        raise UserError(f"{file}: there is no face in it")
    return _as_faces([face for _, face in found], digests, folder, table.columns)


def faces_of_files(folder: Path, paths: Sequence[str]) -> tuple[Faces, list[BadRow]]:
    """Faces without labels.

    Args:
      folder: where the files are.
      paths: of image files below it, sorted.

    Returns:
      The faces of those that begin as an image does, and why the others are left out.

    Raises:
      UserError: that is none of them.
    """
    rows = [(i, Face(path, None, None, "", "", {})) for i, path in enumerate(paths)]
    bad, good, digests = [], [], []
    for (_, row), digest in zip(rows, _digests(folder, rows, folder.name), strict=True):
        if isinstance(digest, BadRow):
            bad.append(digest)
        elif not row.path.isprintable():  # it could not be written down
            bad.append(BadRow("a name that cannot be printed", ascii(row.path)))
        else:
            good.append(row)
            digests.append(digest)
    if not good:
        raise UserError(f"{folder}: none of its {len(bad):,} images can be used ({bad[0]})")
    return _as_faces(good, digests, folder, [])[0], bad


def image_of(folder: Path, path: str) -> bytes:
    """The bytes of an image file.

    Raises:
      BadRow: it does not exist, or its first bytes are not those of an image.
    """
    try:
        data = read_whole(file_of(folder, path))
    except OSError as error:
        raise BadRow("an image that cannot be read", f"{path} ({error.strerror})") from error
    except BadImage as error:
        raise BadRow("an image that cannot be read", f"{path!r} ({error})") from error
    if format_of(data) is None:
        raise BadRow(f"not a {FORMATS} image", path)
    return data


def _digests(folder: Path, rows: list[tuple[int, Face]], name: str) -> Iterator[str | BadRow]:
    def digest(row: tuple[int, Face]) -> str | BadRow:
        try:
            return hashlib.sha256(image_of(folder, row[1].path)).hexdigest()
        except BadRow as bad:
            return bad

    with (
        ThreadPoolExecutor(8) as pool,
        bar(total=len(rows), desc=f"reading {name}", unit="face", delay=2, leave=False) as done,
    ):
        for result in in_order(pool, digest, rows, ahead=256):
            done.update()
            yield result


def _twice(rows: list[tuple[int, Face]]) -> Iterator[tuple[int, Face]]:
    """The rows, sorted by path, whose path equals that of the previous row."""
    for a, b in itertools.pairwise(rows):
        if a[1].path == b[1].path:
            yield b


def _refusal(file: Path, good: int, bad: list[tuple[int, BadRow]], folder: Path) -> UserError:
    quoted = "; ".join(f"row {number}: {why}" for number, why in bad[:_QUOTED])
    more = " and so on" if len(bad) > _QUOTED else ""
    where = f" Paths start from {folder}" if any("read" in why.kind for _, why in bad) else ""
    return UserError(
        f"{file}: {len(bad):,} of its rows cannot be used ({quoted}{more}); `agejax check {file}` "
        f"lists all, and `--good FILE` writes a table of the others.{where}"
    )


def _as_faces(
    rows: list[Face], digests: list[str], folder: Path, columns: list[str]
) -> tuple[Faces, np.ndarray]:
    person = np.array([row.person for row in rows])
    sha256 = np.array(digests)
    ages = np.array([row.age or (0, 0) for row in rows], np.int32)
    paths = [row.path for row in rows]
    # JSON lines may differ in their keys.
    names = dict.fromkeys(name for row in rows for name in row.attributes)
    attributes = {
        name: np.array([row.attributes.get(name) or UNKNOWN for row in rows]) for name in names
    }
    faces = Faces(
        path=np.array(paths),
        labels={
            "age": ages[:, 0],
            "gender": np.array([row.gender or 0 for row in rows], np.int32),
        },
        known={
            "age": np.array([row.age is not None for row in rows]),
            "gender": np.array([row.gender is not None for row in rows]),
        },
        sha256=sha256,
        read=functools.partial(_read, folder, paths),
        rows=np.arange(len(rows)),
        person=one_each(person) if "person" in columns or any(person) else None,
        upto={"age": ages[:, 1]} if (ages[:, 0] != ages[:, 1]).any() else {},
        attributes=attributes,
    )
    return faces, assign(np.array([row.split for row in rows]), person, sha256)


def one_each(person: np.ndarray) -> np.ndarray:
    """str [N], with a different person for every face whose person is unknown."""
    unknown = np.char.str_len(person) == 0
    own = np.char.add("unknown ", np.arange(len(person)).astype(str))
    return np.where(unknown, own, person)


def _read(folder: Path, paths: list[str], rows: np.ndarray) -> list[bytes]:
    return [_stored(folder, paths[row]) for row in rows.tolist()]


def _stored(folder: Path, path: str) -> bytes:
    """An image in the form in which data sets store it."""
    try:
        data = image_of(folder, path)
    except BadRow as bad:
        raise UserError(f"{folder}: {bad}; it existed when training started") from bad
    try:
        return canonical(data)
    except BadImage:
        return b""  # treated as damaged: the decoder has no such limits


def _counted(splits: np.ndarray) -> tuple[list[str], list[int]]:
    names, counts = np.unique(splits, return_counts=True)
    return names.tolist(), counts.tolist()
