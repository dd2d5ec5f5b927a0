"""Parses the files of a multipart/form-data body in memory, without temporary files."""

import logging
import time

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

logging.getLogger("python_multipart").setLevel(logging.ERROR)  # it warns of each malformed form

_MAX_BOUNDARY = 70  # bytes: RFC 2046, 5.1.1
_MAX_HEADER = 2048  # bytes of a line of a part's headers; file names have at most 255 characters
_OTHERS = 100  # fields that are not files
_PIECE = 65_536  # bytes parsed between two checks of the time
_SECONDS = 0.5  # of CPU time for a form; the largest legitimate ones need 0.1
_OPTIONS = 16  # parameters of a part's Content-Disposition
_PADDING = 16  # blanks between a boundary and the end of its line


class BadForm(ValueError):
    """The body is not a valid form; the message says why."""


class LargeForm(ValueError):
    """A form exceeds a limit; the message says which."""


def files_of(content_type: str, body: bytes, most: int) -> list[tuple[str, bytes]]:
    """The name and the bytes of each file of a form, in order; other fields are ignored.

    Parsing stops after `most` + 1 files.

    Raises:
      BadForm: there is no boundary, or the body is malformed or truncated.
      LargeForm: it has too many parts, or takes too long to parse, for a form of `most` files.
    """
    boundary = _boundary(content_type)
    _check_boundaries(b"--" + boundary, body, most + _OTHERS)
    form = _Form(most)
    try:
        parser = MultipartParser(
            boundary,
            {
                "on_part_begin": form.part_begin,
                "on_header_field": form.header_field,
                "on_header_value": form.header_value,
                "on_header_end": form.header_end,
                "on_headers_finished": form.headers_finished,
                "on_part_data": form.part_data,
                "on_part_end": form.part_end,
                "on_end": form.end,
            },
            max_header_size=_MAX_HEADER,
        )
        _parse(parser, memoryview(body))
    except _Enough:
        return form.files
    except FormParserError as error:
        raise BadForm(" ".join(str(error).split())) from error
    if not form.ended:
        raise BadForm("it ends before its last boundary")
    return form.files


def _boundary(content_type: str) -> bytes:
    if len(content_type) > _MAX_HEADER:
        raise BadForm(f"its content type has over {_MAX_HEADER} characters")
    boundary = parse_options_header(content_type)[1].get(b"boundary")
    if not boundary:
        raise BadForm("its content type names no boundary")
    if len(boundary) > _MAX_BOUNDARY:
        raise BadForm(f"its boundary has over {_MAX_BOUNDARY} bytes")
    return boundary


def _check_boundaries(delimiter: bytes, body: bytes, most: int) -> None:
    """Rejects forms early that the parser, which works byte by byte, would be slow on."""
    line = b"\r\n" + delimiter
    start = body.find(delimiter)
    for _ in range(most + 1):
        if start < 0:
            return
        end = body.find(delimiter, start) + len(delimiter)
        if not body[end : end + _PADDING].strip(b" \t") and len(body) > end + _PADDING:
            raise LargeForm(f"over {_PADDING} blanks behind a boundary")
        start = body.find(line, end)
    raise LargeForm(f"over {most} parts; send each image as a file, and few other fields")


def _parse(parser: MultipartParser, body: memoryview) -> None:
    """Parses in pieces and aborts when the time limit is exceeded."""
    end = time.thread_time() + _SECONDS
    for start in range(0, len(body), _PIECE):
        parser.write(bytes(body[start : start + _PIECE]))
        if time.thread_time() > end:
            raise LargeForm(f"parsing it takes over {_SECONDS:g} s")


class _Enough(Exception):
    pass


class _Form:
    """The parser's callbacks; data callbacks receive `data[start:end]`."""

    def __init__(self, most: int):
        self.files: list[tuple[str, bytes]] = []
        self.ended = False
        self._most = most

    def part_begin(self) -> None:
        self._field = self._value = self._disposition = b""
        self._file: str | None = None
        self._data = bytearray()

    def header_field(self, data: bytes, start: int, end: int) -> None:
        self._field += data[start:end]

    def header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def header_end(self) -> None:
        if self._field.lower() == b"content-disposition":
            self._disposition = self._value
        self._field = self._value = b""

    def headers_finished(self) -> None:
        if self._disposition.count(b";") > _OPTIONS:
            raise LargeForm(f"over {_OPTIONS} parameters in a part's Content-Disposition")
        name = parse_options_header(self._disposition)[1].get(b"filename")
        self._file = None if name is None else name.decode("utf-8", "replace")

    def part_data(self, data: bytes, start: int, end: int) -> None:
        if self._file is not None:
            self._data += data[start:end]

    def part_end(self) -> None:
        if self._file is not None:
            self.files.append((self._file, bytes(self._data)))
            if len(self.files) > self._most:
                raise _Enough

    def end(self) -> None:
        self.ended = True
