"""Rows of JSON: a line each, or one document as pandas and others write it."""

import json
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import Any

from agejax.data.tables.parsing import BadRow
from agejax.errors import UserError


class JsonRows:
    """The objects of a file, with their numbers.

    Lines are read one by one; a document, whichever of the orientations of
    `pandas.DataFrame.to_json` it has ("records", "columns", "index", "split", "table", or a list
    for each column), is loaded whole.

    Attributes:
      form: how the file is written, for people.
      columns: the names in its first row.
    """

    def __init__(self, file: Path, needs: Collection[str]):
        """Looks at the beginning; `needs` are columns that tell names from numbers of rows."""
        self._file, self._needs = file, needs
        document = self._document()
        self._rows = None if document is None else self._of_document(document)
        self.form = "JSON lines" if self._rows is None else "a JSON document"
        first = next(iter(self), (1, None))[1]
        self.columns = list(first) if isinstance(first, dict) else []

    def __iter__(self) -> Iterator[tuple[int, dict[str, Any] | BadRow]]:
        """Each row's number, and the values of its columns; or why it has none."""
        if self._rows is None:
            yield from self._lines()
            return
        for number, row in enumerate(self._rows, 1):
            yield number, row if isinstance(row, dict) else BadRow("a row that is no object")

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
                    yield number, loaded if is_row else BadRow("a line of JSON that is no object")

    def _document(self) -> Any:
        """The whole file, where it is not a line for each row."""
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
            f"{self._file}: JSON, but no table: it must be a list of objects (orient='records' of "
            f"pandas), or an object a line"
        )


def _is_table(loaded: Any) -> bool:
    """Whether an object that stands alone is no row, but a table."""
    if not isinstance(loaded, dict):
        return False
    split = "data" in loaded and not loaded.keys().isdisjoint(("columns", "schema"))
    parts = loaded.values()
    return split or (
        bool(parts) and any(all(isinstance(p, of) for p in parts) for of in (dict, list))
    )


def text_of(values: Iterable[tuple[str, Any]], plain: Collection[str]) -> dict[str, str] | BadRow:
    """A row of JSON or Parquet as cells, by column in lower case.

    A list of two numbers, as an age may be given, is a range; any other list or object is its JSON.

    Args:
      values: names and values.
      plain: columns that must not hold lists or objects.
    """
    cells: dict[str, str] = {}
    for title, value in values:
        name = title.strip().casefold()
        if name in cells:
            return BadRow("a column that stands there twice", name)
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
