"""Parses the cells of a table of faces: age, gender, split and path, or an unknown value.

Cells that cannot be parsed with certainty raise `BadRow`: a wrong label is worse than a lost face.
"""

import posixpath
import re

from agejax.data.tables.spreadsheet_dates import is_date
from agejax.errors import UserError
from agejax.labels import AGES, FEMALE, MALE
from agejax.utils.paths import expanded

OWN = ("path", "age", "gender", "person", "split")  # columns with a defined meaning
_NOTHING = {"", "unknown", "nan", "none", "null", "na", "n/a", "?"}
_NO_PATH = {"", "None", "none", "NaN", "nan", "NULL", "null"}  # how programs write a missing value
_GENDERS = {"female": FEMALE, "f": FEMALE, "woman": FEMALE, "male": MALE, "m": MALE, "man": MALE}
_SPLITS = {
    "train": "train",
    "training": "train",
    "test": "test",
    "testing": "test",
} | dict.fromkeys(("validation", "valid", "val", "dev"), "validation")
_NUMBER = r"(\d+)(?:\.\d*)?"
_RANGE = re.compile(rf"{_NUMBER}\s*(?:-|–|to)\s*{_NUMBER}")  # 20-29
_IN_PARENTHESES = re.compile(
    rf"[(\[]\s*{_NUMBER}\s*(?:-|–|,|to)\s*{_NUMBER}\s*[)\]]"
)  # Adience's (25, 32)
_OPEN = re.compile(
    rf"(?:{_NUMBER}\s*\+|(?:more than|over)\s+{_NUMBER})"
)  # 70+; FairFace's more than 70


class BadRow(Exception):
    """Why a row cannot be used.

    Attributes:
      kind: what is wrong, the same for all rows with this error.
      detail: of this row.
    """

    def __init__(self, kind: str, detail: str = ""):
        """`kind` is a few words; `detail` follows it after a colon."""
        super().__init__(f"{kind}: {detail}" if detail else kind)
        self.kind, self.detail = kind, detail


def is_nothing(cell: str) -> bool:
    """Whether a cell marks an unknown value."""
    return cell.strip().casefold() in _NOTHING


def age_range(cell: str) -> tuple[int, int] | None:
    """The first and last whole year of an age: "25", "25.7", "20-29", "(25, 32)", "70+".

    None for an unknown value. "70+", and "more than 70", extend to 100.

    Raises:
      BadRow: it is not an age, or outside 0..100.
    """
    text = cell.strip().casefold()
    if text in _NOTHING:
        return None
    if match := re.fullmatch(_NUMBER, text):
        first = last = int(match[1])
    elif match := _RANGE.fullmatch(text) or _IN_PARENTHESES.fullmatch(text):
        first, last = int(match[1]), int(match[2])
    elif match := _OPEN.fullmatch(text):
        first, last = int(match[1] or match[2]), AGES - 1
    elif re.fullmatch(r"-?\d+\s*,\s*\d+", text):
        raise BadRow(
            "not an age, because of its comma (decimal commas need columns separated by ; or tab, "
            "a range in parentheses)",
            repr(cell),
        )
    elif is_date(text):
        raise BadRow(
            "not an age but a date, which spreadsheets make of age groups (`agejax import table` "
            "restores them)",
            repr(cell),
        )
    else:
        raise BadRow("not an age", repr(cell))
    if max(first, last) >= AGES or re.match(r"-\s*\d", text):
        raise BadRow(f"an age outside 0..{AGES - 1}", repr(cell))
    if first > last:
        raise BadRow("a range of ages that ends before it starts", repr(cell))
    return first, last


def decimal_point(cell: str) -> str:
    """An age with a decimal comma, such as "4,25", with a point; parentheses are left unchanged."""
    return cell if re.search(r"[(\[]", cell) else re.sub(r"(?<=\d),(?=\d)", ".", cell)


def gender_code(cell: str) -> int | None:
    """0 for female, 1 for male; None for an unknown value.

    Raises:
      BadRow: it is neither. Digits are rejected: public data sets use both codings.
    """
    text = cell.strip().casefold()
    if text in _NOTHING:
        return None
    if text not in _GENDERS:
        raise BadRow("a gender that is not female or male", repr(cell))
    return _GENDERS[text]


def split_name(cell: str) -> str:
    """ "train", "validation" or "test"; "" for an unknown value.

    Raises:
      BadRow: it is another word.
    """
    text = cell.strip().casefold()
    if text in _NOTHING:
        return ""
    if text not in _SPLITS:
        raise BadRow("a split that is not train, validation or test", repr(cell))
    return _SPLITS[text]


def image_path(cell: str) -> str:
    """A normalised path with "/" separators, relative to the table's root or absolute.

    Raises:
      BadRow: it is empty, or leads out of the root by "..".
    """
    if cell.strip() in _NO_PATH or "\0" in cell:
        raise BadRow("no path")
    try:
        cell = expanded(cell.strip())
    except UserError as error:
        raise BadRow("a path in a home folder that is not there", repr(cell)) from error
    path = posixpath.normpath(cell.strip().replace("\\", "/"))
    if path == ".." or path.startswith("../"):
        raise BadRow("a path that leads outside the table's folder", repr(cell))
    return path
