"""CSV as agejax writes it: spreadsheets see no formulas, and reading restores every cell.

A spreadsheet executes cells that begin with `=`, `+`, `-` or `@`, also after white space. OWASP
("CSV Injection") recommends a `'` in front, by which spreadsheets recognise text.
"""

import csv
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TextIO

_BEGINS_FORMULA = ("=", "+", "-", "@", "＝", "＋", "－", "＠")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)


class CsvWriter(csv.DictWriter):
    """A `csv.DictWriter` that escapes cells and column names; missing cells are empty."""

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
    """Puts a `'` before text that a spreadsheet would execute; other values are unchanged.

    Text that already has a `'` there gets another one, so that `unescaped` restores it.
    """
    return f"'{cell}" if isinstance(cell, str) and _is_formula(cell.lstrip("'")) else cell


def unescaped(cell: str) -> str:
    """Reverses `escaped`; other text is unchanged."""
    return cell[1:] if cell.startswith("'") and _is_formula(cell.lstrip("'")) else cell


def _is_formula(text: str) -> bool:
    begins = text.lstrip().startswith(_BEGINS_FORMULA) or text.startswith(("\t", "\r", "\n"))
    return begins and not _NUMBER.fullmatch(text.strip())
