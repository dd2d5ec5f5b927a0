"""Imports public data sets as rows of a table, from file names or from their own tables."""

import contextlib
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from agejax.data.image_files import SUFFIXES, Found, find_images
from agejax.data.tables.parsing import BadRow, age_range, gender_code
from agejax.data.tables.spreadsheet_dates import Group, groups_of_dates, is_date
from agejax.data.tables.table import Table, is_text
from agejax.errors import UserError

_ONE_WORD = ("age", "gender", "split")

Values = Mapping[str, Mapping[str, str]]  # {column: {cell: meaning}}

# Zhang et al., CVPR 2017: [age]_[gender]_[race]_[date&time].jpg, also in names that end .chip.jpg.
UTKFACE = "{age}_{gender}_{race}_*"
UTKFACE_VALUES: Values = {
    "gender": {"0": "male", "1": "female"},
    "race": {"0": "white", "1": "black", "2": "asian", "3": "indian", "4": "other"},
}


class Imported(NamedTuple):
    """A row for a table, or the reason why there is none.

    Attributes:
      source: the file or row that it comes from.
      cells: by column; None if something is wrong.
      trouble: what is wrong.
      mended: the age as a spreadsheet changed it, and how it is interpreted; else "".
    """

    source: str
    cells: dict[str, str] | None
    trouble: BadRow | None = None
    mended: str = ""


class Meaning(NamedTuple):
    """The meaning of cells that are imported.

    Attributes:
      values: {column: {cell: meaning}}; other values are then rejected.
      unknown: {column, or "" for all but the path: the cell of an unknown value}; numbers are
        compared as numbers.
    """

    values: Values = {}
    unknown: Mapping[str, Collection[str]] = {}

    def of(self, cells: Mapping[str, str]) -> dict[str, str]:
        """Cells replaced by their meaning.

        Raises:
          BadRow: a cell is not among the values.
        """
        meant = dict(cells)
        for name, cell in cells.items():
            value = cell.strip()
            if name != "path" and self._is_unknown(name, value):
                meant[name] = ""
            elif value and (meaning := self.values.get(name)) is not None:
                if value not in meaning:
                    raise BadRow(f"a {name} that is not one of {', '.join(meaning)}", cell)
                meant[name] = meaning[value]
        return meant

    def _is_unknown(self, name: str, value: str) -> bool:
        given = (*self.unknown.get(name, ()), *self.unknown.get("", ()))
        return any(value == of or _number(value) == _number(of) is not None for of in given)


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def image_files(folder: Path) -> Found:
    """The image files below a folder, and errors found there.

    Raises:
      UserError: there is no such folder, or no image in it.
    """
    if not folder.is_dir():
        raise UserError(f"{folder}: there is no such folder")
    found = find_images(folder)
    if not found.images:
        reason = f"no image ({', '.join(SUFFIXES)}) in this folder"
        raise found.errors[0] if found.errors else UserError(f"{folder}: {reason}")
    return found


def pattern_of(template: str) -> re.Pattern[str]:
    r"""A template such as "{age}_{gender}_*.jpg" as a regular expression for names.

    `{name}` matches up to the character that follows it; `{age}`, `{gender}` and `{split}` match no
    "_". `{}` and `*` match anything and store nothing. None matches a "/". All other characters
    match themselves.

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


def from_names(folder: Path, template: str, meaning: Meaning) -> Iterator[Imported]:
    """A row for each image below `folder` whose name matches, or path if the template has a "/".

    Raises:
      UserError: there is no image, or the template is not valid.
    """
    pattern = pattern_of(template)
    found = image_files(folder)
    for error in found.errors:
        yield Imported(str(folder), None, BadRow("what cannot be read", str(error)))
    for file in found.images:
        name = file.relative_to(folder).as_posix() if "/" in template else file.name
        if match := pattern.fullmatch(name):
            yield _imported(str(file), {"path": str(file)} | match.groupdict(), meaning)
        else:
            yield Imported(str(file), None, BadRow("a name that does not fit the pattern"))


def from_table(
    file: Path, rename: Mapping[str, str], meaning: Meaning, groups: Collection[Group] = ()
) -> Iterator[Imported]:
    """The rows of another table, with its columns renamed by `rename`, {ours: theirs}.

    Age groups that a spreadsheet turned into dates are restored; `groups` are the possible groups,
    if known.

    Raises:
      UserError: there is no such table, or column.
    """
    table = Table(file, needs=[name.casefold() for name in rename.values()])
    ours = {theirs.casefold(): name for name, theirs in rename.items()}

    def renamed() -> Iterator[tuple[str, dict[str, str] | BadRow]]:
        for number, cells in table:
            if not isinstance(cells, BadRow):
                cells = table.with_points({ours.get(name, name): of for name, of in cells.items()})
            yield f"{file}, row {number}", cells

    dates = _groups_of_dates((cells for _, cells in renamed()), meaning, groups)
    for source, cells in renamed():
        if isinstance(cells, BadRow):
            yield Imported(source, None, cells)
        else:
            yield _imported(source, cells, meaning, dates)


def _groups_of_dates(
    rows: Iterable[Mapping[str, str] | BadRow], meaning: Meaning, groups: Collection[Group]
) -> dict[str, str]:
    """{date: the age group that it was}, in the table's notation."""
    ages: dict[str, Group] = {}
    others = set()
    for cells in rows:
        with contextlib.suppress(BadRow):
            cell = "" if isinstance(cells, BadRow) else meaning.of(cells).get("age", "")
            if cell in ages or cell in others:
                continue
            others.add(cell)
            if (age := age_range(cell)) is not None:
                ages[cell] = age
    found = groups_of_dates(others, ages, groups)
    return {cell: f"{first}-{last}" for cell, (first, last) in found.items()}


def _imported(
    source: str, cells: Mapping[str, str], meaning: Meaning, dates: Mapping[str, str] | None = None
) -> Imported:
    mended = ""
    try:
        meant = meaning.of(cells)
        if not all(map(is_text, meant.values())):
            raise BadRow("a name that is not UTF-8")
        age = meant.get("age", "")
        if dates and age in dates:
            meant["age"] = dates[age]
            mended = f"{age.strip()} as {dates[age]}"
        elif dates is not None and is_date(age):
            raise BadRow("a date in place of an age, whose group is ambiguous")
        age_range(meant.get("age", ""))
        gender_code(meant.get("gender", ""))
    except BadRow as bad:
        return Imported(source, None, bad)
    return Imported(source, meant, mended=mended)


def columns_of(rows: Iterable[Mapping[str, str]]) -> list[str]:
    """The columns of rows: ours first, in our order, then the others in order of appearance."""
    first = ("path", "age", "gender", "person", "split")
    found = dict.fromkeys(name for row in rows for name in row)
    return [*(name for name in first if name in found), *(n for n in found if n not in first)]
