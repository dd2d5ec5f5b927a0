"""CSV as all of agejax writes it: no cell is a formula to a spreadsheet, and ours read back alike.

A spreadsheet runs what begins with `=`, `+`, `-` or `@`, also behind white space. OWASP ("CSV
Injection") puts a `'` before it, which spreadsheets take for "this is text".
"""

import csv
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TextIO

_BEGINS_FORMULA = ("=", "+", "-", "@", "＝", "＋", "－", "＠")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)


class CsvWriter(csv.DictWriter):
    """A `csv.DictWriter` whose cells, and names of columns, are escaped; a missing one is empty."""

    def __init__(self, out: TextIO, columns: Sequence[str]):
        """Writes rows of these columns to `out`."""
        super().__init__(out, columns, restval="", lineterminator="\n")

    def writerow(self, row: Mapping[str, Any]) -> Any:
        """Writes a row."""
        return super().writerow({name: escaped(cell) for name, cell in row.items()})

    def writerows(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Writes rows."""
        for row in rows:
            self.writerow(row)


def escaped(cell: Any) -> Any:
    """Text that a spreadsheet would run, with a `'` before it; numbers, and all else, as it is.

    So is text that an `'` stands before already, so that `unescaped` gives back what there was.
    """
    return f"'{cell}" if isinstance(cell, str) and _is_formula(cell.lstrip("'")) else cell


def unescaped(cell: str) -> str:
    """What `escaped` made of it, undone; any other text as it is."""
    return cell[1:] if cell.startswith("'") and _is_formula(cell.lstrip("'")) else cell


def _is_formula(text: str) -> bool:
    begins = text.lstrip().startswith(_BEGINS_FORMULA) or text.startswith(("\t", "\r", "\n"))
    return begins and not _NUMBER.fullmatch(text.strip())
