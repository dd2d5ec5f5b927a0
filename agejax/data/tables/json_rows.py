"""Reads rows of JSON: one per line, or one document as written by pandas and others."""

import json
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import Any

from agejax.data.tables.parsing import BadRow
from agejax.errors import UserError


class JsonRows:
    """The objects of a file, with their numbers.

    JSON lines are read one by one. A document in any of the orientations of
    `pandas.DataFrame.to_json` ("records", "columns", "index", "split", "table", or a list for each
    column) is loaded completely.

    Attributes:
      form: the format of the file, for people.
      columns: the names in its first row.
    """

    def __init__(self, file: Path, needs: Collection[str]):
        """Inspects the start; `needs` are columns that distinguish names from row numbers."""
        self._file, self._needs = file, needs
        document = self._document()
        self._rows = None if document is None else self._of_document(document)
        self.form = "JSON lines" if self._rows is None else "a JSON document"
        first = next(iter(self), (1, None))[1]
        self.columns = list(first) if isinstance(first, dict) else []

    def __iter__(self) -> Iterator[tuple[int, dict[str, Any] | BadRow]]:
        """Each row's number with the values of its columns, or with the error."""
        if self._rows is None:
            yield from self._lines()
            return
        for number, row in enumerate(self._rows, 1):
            yield number, row if isinstance(row, dict) else BadRow("a row that is not an object")

    def _lines(self) -> Iterator[tuple[int, dict[str, Any] | BadRow]]:
        with self._file.open("rb") as file:
            for number, line in enumerate(file, 1):
                if not line.strip():
                    continue
                try:
                    loaded = json.loads(line.decode("utf-8-sig"))
                except ValueError:
                    yield number, BadRow("not a line of JSON in UTF-8")
                except RecursionError:
                    yield number, BadRow("JSON that is nested too deeply")
                else:
                    is_row = isinstance(loaded, dict)
                    yield number, loaded if is_row else BadRow("JSON that is not an object")

    def _document(self) -> Any:
        """The whole file, if it does not have one row per line."""
        with self._file.open("rb") as file:
            begin = file.read(1024).removeprefix(b"\xef\xbb\xbf").lstrip()
            file.seek(0)
            if begin.startswith(b"["):
                return self._loaded(file.read())
            if not begin.startswith(b"{"):
                return None
            first = next(line for line in file if line.strip(b" \t\r\n\xef\xbb\xbf"))
            try:
                loaded = json.loads(first.decode("utf-8-sig"))
            except RecursionError:
                return None
            except ValueError:  # an object of many lines, or a damaged line
                if self._file.suffix.lower() != ".json" or first.count(b"}"):
                    return None
                file.seek(0)
                return self._loaded(file.read())
            alone = not any(line.strip() for line in file)
        return loaded if alone and _is_table(loaded) else None

    def _loaded(self, data: bytes) -> Any:
        try:
            return json.loads(data.decode("utf-8-sig"))
        except ValueError as error:
            raise UserError(f"{self._file}: not JSON in UTF-8 ({error})") from error
        except RecursionError as error:
            raise UserError(f"{self._file}: JSON that is nested too deeply for a table") from error

    def _of_document(self, loaded: Any) -> list[Any]:
        if isinstance(loaded, list):
            return loaded
        names = {str(name).strip().casefold() for name in loaded}
        parts = list(loaded.values())
        data, titles = (loaded.get(key) for key in ("data", "columns"))
        if isinstance(data, list) and isinstance(titles, list):  # "split"
            titles = list(map(str, titles))
            return [
                dict(zip(titles, row, strict=True))
                if isinstance(row, list) and len(row) == len(titles)
                else row
                for row in data
            ]
        if isinstance(data, list) and isinstance(loaded.get("schema"), dict):  # "table"
            return data
        if parts and all(isinstance(part, dict) for part in parts):
            if not names.issuperset(self._needs):
                return parts  # "index"
            keys = dict.fromkeys(key for part in parts for key in part)
            return [{name: of.get(key) for name, of in loaded.items()} for key in keys]
        if parts and all(isinstance(part, list) for part in parts):
            if len({len(part) for part in parts}) > 1:
                raise UserError(f"{self._file}: its columns are of different lengths")
            return [dict(zip(loaded, row, strict=True)) for row in zip(*parts, strict=True)]
        raise UserError(
            f"{self._file}: JSON, but not a table; it must be a list of objects (pandas: "
            f"orient='records') or one object per line"
        )


def _is_table(loaded: Any) -> bool:
    """Whether a single object is a table rather than a row."""
    if not isinstance(loaded, dict):
        return False
    split = "data" in loaded and not loaded.keys().isdisjoint(("columns", "schema"))
    parts = loaded.values()
    return split or (
        bool(parts) and any(all(isinstance(p, of) for p in parts) for of in (dict, list))
    )


def text_of(values: Iterable[tuple[str, Any]], plain: Collection[str]) -> dict[str, str] | BadRow:
    """A row of JSON or Parquet as cells, by column in lower case.

    A list of two numbers, such as an age, is a range; any other list or object becomes JSON text.

    Args:
      values: names and values.
      plain: columns that must not hold lists or objects.
    """
    cells: dict[str, str] = {}
    for title, value in values:
        name = title.strip().casefold()
        if name in cells:
            return BadRow("a column that appears twice", name)
        if name in plain and isinstance(value, list | dict | bytes) and not _is_range(value):
            return BadRow(f"a {name} that is a list, an object or bytes")
        try:
            cells[name] = _text(value)
        except RecursionError:
            return BadRow("a cell that is nested too deeply", name)
    return cells


def _is_range(value: Any) -> bool:
    return (
        isinstance(value, list) and len(value) == 2 and all(type(x) in (int, float) for x in value)
    )


def _text(value: Any) -> str:
    if _is_range(value):
        return "-".join(map(_text, value))
    if isinstance(value, list | dict):
        return json.dumps(value, ensure_ascii=False, default=str)
    if isinstance(value, bytes):
        return f"{len(value):,} bytes"
    return "" if value is None or value != value else str(value)  # NaN is not itself
