"""The files of a multipart/form-data body, in memory: an error leaves no temporary file behind."""

import logging
import time

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

logging.getLogger("python_multipart").setLevel(logging.ERROR)  # it warns of every odd form

_MAX_BOUNDARY = 70  # bytes: RFC 2046, 5.1.1
_MAX_HEADER = 2048  # bytes of a line in a part's head; a file's name has 255 characters at most
_OTHERS = 100  # fields that are no files
_PIECE = 65_536  # bytes, after each of which the time is looked at
_SECONDS = 0.5  # of a processor for a form: the largest that are not made to be slow need 0.1
_OPTIONS = 16  # of a part's disposition
_PADDING = 16  # blanks between a boundary and the end of its line


class BadForm(ValueError):
    """The body is no form as its content type says; says why."""


class LargeForm(ValueError):
    """A form takes more to read than it may; says what."""


def files_of(content_type: str, body: bytes, most: int) -> list[tuple[str, bytes]]:
    """The name and the bytes of each file of a form, in order; other fields are left out.

    Reading stops after `most` + 1 files.

    Raises:
      BadForm: there is no boundary, or the body is malformed or cut off.
      LargeForm: it has more parts, or takes longer to read, than any form of `most` files does.
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
    """Refuses at once what the parser, byte by byte, would take long for."""
    line = b"\r\n" + delimiter
    start = body.find(delimiter)
    for _ in range(most + 1):
        if start < 0:
            return
        end = body.find(delimiter, start) + len(delimiter)
        if not body[end : end + _PADDING].strip(b" \t") and len(body) > end + _PADDING:
            raise LargeForm(f"over {_PADDING} blanks behind a boundary")
        start = body.find(line, end)
    raise LargeForm(f"over {most} parts; give each image as a file, and little else")


def _parse(parser: MultipartParser, body: memoryview) -> None:
    """Parses in pieces; what makes any of them slow, it ends."""
    end = time.thread_time() + _SECONDS
    for start in range(0, len(body), _PIECE):
        parser.write(bytes(body[start : start + _PIECE]))
        if time.thread_time() > end:
            raise LargeForm(f"parts that take over {_SECONDS:g} s to tell from one another")


class _Enough(Exception):
    pass


class _Form:
    """What the parser calls, with `data[start:end]` where there is some."""

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
            raise LargeForm(f"over {_OPTIONS} options of a part")
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
