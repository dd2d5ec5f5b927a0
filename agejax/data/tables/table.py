"""Reads a table row by row: CSV, TSV, JSON lines or Parquet, of any length in little memory."""

import codecs
import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

from agejax.data.tables.csv_cells import unescaped
from agejax.data.tables.json_rows import JsonRows, text_of
from agejax.data.tables.parsing import OWN, BadRow, decimal_point
from agejax.errors import UserError

Cells = dict[str, str]  # by column, in lower case
_BOMS = [
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
]


class Table:
    """A file of rows with named columns.

    Attributes:
      file: the file.
      form: its format, for people.
      columns: their names, in lower case.
    """

    def __init__(self, file: Path, needs: Sequence[str] = ("path",)):
        """Inspects the start of a `.csv`, `.tsv`, `.jsonl` or `.parquet` file.

        Raises:
          UserError: it does not exist, has another format, or lacks a needed column.
        """
        if not file.is_file():
            raise UserError(f"{file}: there is no such table")
        self.file = file
        self._plain = {*OWN, *needs}
        self._decimal_comma = False
        suffix = file.suffix.lower()
        if suffix == ".parquet":
            self.form, self._rows = "Parquet", self._parquet
            self.columns = self._parquet_columns()
        elif suffix in (".jsonl", ".ndjson", ".json"):
            self._json_rows = JsonRows(file, needs)
            self.form, self._rows = self._json_rows.form, self._json
            self.columns = self._json_rows.columns
        else:
            self._look_at_csv()
            self._rows = self._csv
        self.columns = [name.strip().casefold() for name in self.columns]
        self._check_columns(needs)

    def __iter__(self) -> Iterator[tuple[int, Cells | BadRow]]:
        """Each row's number, as in a spreadsheet, with its cells or with the error."""
        return self._rows()

    def with_points(self, cells: Cells) -> Cells:
        """Cells whose age has a decimal point, if the table uses decimal commas."""
        if not self._decimal_comma or "age" not in cells:
            return cells
        return cells | {"age": decimal_point(cells["age"])}

    def _check_columns(self, needs: Sequence[str]) -> None:
        if missing := [name for name in needs if name not in self.columns]:
            raise UserError(
                f"{self.file}: it has no column {missing[0]!r}, but "
                f"{', '.join(map(repr, self.columns)) or 'none'} ({self.form}); "
                f"`agejax import table` renames columns"
            )
        if twice := {name for name in self.columns if self.columns.count(name) > 1}:
            raise UserError(f"{self.file}: it has more than one column {', '.join(sorted(twice))}")

    def _look_at_csv(self) -> None:
        with self.file.open("rb") as opened:
            begin = opened.read(4096)
        self._encoding = next((name for bom, name in _BOMS if begin.startswith(bom)), "utf-8")
        if self._encoding == "utf-8" and b"\0" in begin:
            raise UserError(f"{self.file}: not text in UTF-8 or in UTF-16 with a BOM; save it so")
        try:
            with self.file.open(encoding=self._encoding, errors="surrogateescape") as opened:
                header = opened.readline(65536)
        except UnicodeError as error:
            raise UserError(f"{self.file}: damaged text ({error})") from error
        counts = {mark: header.count(mark) for mark in ",;\t"}
        self._delimiter = max(counts, key=counts.__getitem__)
        self._decimal_comma = self._delimiter != ","
        name = "tab" if self._delimiter == "\t" else repr(self._delimiter)
        self.form = f"CSV in {self._encoding.removesuffix('-sig').upper()}, separated by {name}"
        try:
            names = next(csv.reader([header], delimiter=self._delimiter), [])
            self.columns = list(map(unescaped, names))
        except csv.Error as error:
            raise UserError(f"{self.file}: its first line names no columns ({error})") from error

    def _csv(self) -> Iterator[tuple[int, Cells | BadRow]]:
        # Invalid bytes become lone surrogates, so that their row can be reported.
        with self.file.open(newline="", encoding=self._encoding, errors="surrogateescape") as file:
            reader = csv.reader(file, delimiter=self._delimiter)
            number = 0
            while True:
                number += 1
                try:
                    row = next(reader)
                except StopIteration:
                    return
                except csv.Error as error:  # nothing that follows can be trusted
                    yield number, BadRow("not CSV from here on, perhaps an open quote", str(error))
                    return
                except UnicodeError as error:
                    yield number, BadRow("not text from here on", str(error))
                    return
                if number > 1 and any(row):
                    yield number, self._cells(row)

    def _cells(self, row: list[str]) -> Cells | BadRow:
        if len(row) != len(self.columns):
            return BadRow(f"not {len(self.columns)} cells", f"{len(row)}")
        if not all(map(is_text, row)):
            return BadRow("a cell that is not UTF-8; convert the file, for example with iconv")
        return dict(zip(self.columns, map(unescaped, row), strict=True))

    def _json(self) -> Iterator[tuple[int, Cells | BadRow]]:
        for number, row in self._json_rows:
            cells = row if isinstance(row, BadRow) else text_of(row.items(), self._plain)
            # a lone surrogate, such as half of "\ud83d\ude42"
            if not isinstance(cells, BadRow) and not all(map(is_text, [*cells, *cells.values()])):
                cells = BadRow("a cell that is not text")
            yield number, cells

    def _parquet_columns(self) -> list[str]:
        import pyarrow.parquet

        try:
            self._parquet_file = pyarrow.parquet.ParquetFile(self.file)
        except (ValueError, OSError) as error:  # covers all of Arrow's errors
            raise UserError(f"{self.file}: not a Parquet file ({error})") from error
        return self._parquet_file.schema_arrow.names

    def _parquet(self) -> Iterator[tuple[int, Cells | BadRow]]:
        number = 0
        try:
            for batch in self._parquet_file.iter_batches(batch_size=4096):
                columns = [column.to_pylist() for column in batch.columns]
                for row in zip(*columns, strict=True):
                    number += 1
                    yield number, text_of(zip(self.columns, row, strict=True), self._plain)
        except (ValueError, OSError) as error:
            yield number + 1, BadRow("damaged from here on", str(error))


def is_text(cell: str) -> bool:
    """Whether a string can be encoded: a file name that is not UTF-8 cannot."""
    return cell.isascii() or not any("\ud800" <= c <= "\udfff" for c in cell)
