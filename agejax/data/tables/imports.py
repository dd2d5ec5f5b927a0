"""Rows of a table from public sets of faces: files whose names tell, or tables of theirs."""

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from agejax.data.tables.cells import BadRow, age_range, gender_code, image_path
from agejax.data.tables.table import Table
from agejax.errors import UserError

_ONE_WORD = ("age", "gender", "split")
_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")

Values = Mapping[str, Mapping[str, str]]  # {column: {what stands there: what it means}}

# Zhang et al., CVPR 2017: [age]_[gender]_[race]_[date&time].jpg, also in names that end .chip.jpg.
UTKFACE = "{age}_{gender}_{race}_*"
UTKFACE_VALUES: Values = {
    "gender": {"0": "male", "1": "female"},
    "race": {"0": "white", "1": "black", "2": "asian", "3": "indian", "4": "other"},
}


class Imported(NamedTuple):
    """A row for a table, or why there is none.

    Attributes:
      source: the file, or the row, that it comes from.
      cells: by column; None where something is wrong.
      trouble: what is wrong.
    """

    source: str
    cells: dict[str, str] | None
    trouble: BadRow | None = None


def image_files(folder: Path) -> list[Path]:
    """All JPEG, PNG and WebP files below a folder, sorted.

    Raises:
      UserError: there is no such folder, or none in it.
    """
    if not folder.is_dir():
        raise UserError(f"{folder}: there is no such folder")
    files = sorted(p for p in folder.rglob("*") if p.suffix.lower() in _SUFFIXES)
    if not files:
        raise UserError(f"{folder}: no image ({', '.join(_SUFFIXES)}) in this folder")
    return files


def pattern_of(template: str) -> re.Pattern[str]:
    r"""A template such as "{age}_{gender}_*.jpg" as a regular expression for names.

    `{name}` takes the characters up to what follows it, and `{age}`, `{gender}` and `{split}` no
    "_" among them; `{}` and `*` take any and keep nothing. None crosses a "/". All else stands for
    itself.

    Raises:
      UserError: it names no field, or one twice.
    """
    parts = re.split(r"(\{\w*\}|\*)", template)
    fields = [part[1:-1].casefold() for part in parts if part.startswith("{") and len(part) > 2]
    if not fields or len(set(fields)) < len(fields) or not all(map(str.isidentifier, fields)):
        raise UserError(
            f"--pattern {template!r}: it must name columns, each once, as '{{age}}_{{gender}}_*'"
        )
    made = ""
    for part in parts:
        if part == "*" or part == "{}":
            made += "[^/]*?"
        elif part.startswith("{") and part.endswith("}") and len(part) > 2:
            name = part[1:-1].casefold()
            made += f"(?P<{name}>[^/_]+?)" if name in _ONE_WORD else f"(?P<{name}>[^/]+?)"
        else:
            made += re.escape(part)
    return re.compile(made)


def from_names(folder: Path, template: str, values: Values) -> Iterator[Imported]:
    """A row for each image below `folder` whose name, or path where the template has a "/", fits.

    Raises:
      UserError: there is no image, or the template cannot be one.
    """
    pattern = pattern_of(template)
    for file in image_files(folder):
        name = file.relative_to(folder).as_posix() if "/" in template else file.name
        if match := pattern.fullmatch(name):
            yield _imported(str(file), {"path": str(file)} | match.groupdict(), values)
        else:
            yield Imported(str(file), None, BadRow("a name that does not fit the pattern"))


def from_fairface(folder: Path) -> Iterator[Imported]:
    """FairFace (Kärkkäinen and Joo, WACV 2021): its two label files beside `train/` and `val/`.

    Their validation is our test split; ours is a tenth of their training faces, by a hash.

    Raises:
      UserError: a file is not there.
    """
    for part, split in (("train", "train"), ("val", "test")):
        rename = {"path": "file", "age": "age", "gender": "gender", "race": "race"}
        for row in from_table(folder / f"fairface_label_{part}.csv", rename, {}):
            if row.cells is not None:
                kept = {name: row.cells.get(name, "") for name in rename}
                try:
                    path = image_path(kept["path"])
                    if path.startswith("/"):
                        raise BadRow("a path that leads outside the set's folder", path)
                except BadRow as bad:
                    yield Imported(row.source, None, bad)
                    continue
                kept |= {"path": str(folder / path), "split": split}
                yield Imported(row.source, kept)
            else:
                yield row


def from_table(file: Path, rename: Mapping[str, str], values: Values) -> Iterator[Imported]:
    """The rows of another table, with `rename`, {ours: theirs}, applied to its columns.

    Raises:
      UserError: there is no such table, or column.
    """
    table = Table(file, needs=[name.casefold() for name in rename.values()])
    ours = {theirs.casefold(): name for name, theirs in rename.items()}
    for number, cells in table:
        source = f"{file}, row {number}"
        if isinstance(cells, BadRow):
            yield Imported(source, None, cells)
        else:
            renamed = {ours.get(name, name): cell for name, cell in cells.items()}
            yield _imported(source, renamed, values)


def _imported(source: str, cells: Mapping[str, str], values: Values) -> Imported:
    meant = dict(cells)
    try:
        for name, meaning in values.items():
            if name in meant and meant[name].strip():
                if meant[name].strip() not in meaning:
                    raise BadRow(f"a {name} that is none of {', '.join(meaning)}", meant[name])
                meant[name] = meaning[meant[name].strip()]
        age_range(meant.get("age", ""))
        gender_code(meant.get("gender", ""))
    except BadRow as bad:
        return Imported(source, None, bad)
    return Imported(source, meant)


def columns_of(rows: Iterable[Mapping[str, str]]) -> list[str]:
    """The columns of rows: ours first, in our order, then the others as they come."""
    first = ("path", "age", "gender", "person", "split")
    found = dict.fromkeys(name for row in rows for name in row)
    return [*(name for name in first if name in found), *(n for n in found if n not in first)]
