"""The standard streams of a program, which may be closed, full, or a terminal that has gone."""

import contextlib
import io
import os
import sys
from collections.abc import Iterator
from typing import IO, Any

from agejax.errors import UserError

_NAMES = ("stdin", "stdout", "stderr")


class _Lenient(io.FileIO):
    """A file to which writing never fails: what it does not take is dropped.

    Nothing is left in the buffers above it, either: Python 3.13 reports what these cannot write
    when they are closed, and ends with 120 if it cannot.
    """

    def write(self, data: Any, /) -> int:
        try:
            return super().write(data)
        except OSError:
            return memoryview(data).nbytes


class _Named(io.TextIOWrapper):
    """A stream whose errors say that it is standard output."""

    def write(self, text: str) -> int:
        with _naming():
            return super().write(text)

    def flush(self) -> None:
        with _naming():
            super().flush()


@contextlib.contextmanager
def _naming() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        error.filename = "standard output"
        raise


@contextlib.contextmanager
def standard_streams(*, notes: bool = False) -> Iterator[None]:
    """Within, all three are there, and what is said on stderr cannot fail.

    One that is closed reads as empty and writes to nowhere; its number is taken, so that no file
    that is opened later gets what is printed. Names of files that the encoding lacks are escaped.

    Args:
      notes: whether stdout, too, holds notes alone, which may be lost: a training does not end
        because the terminal that it was started from has.
    """
    before = {name: getattr(sys, name) for name in _NAMES}
    _take_numbers()
    for number, name in enumerate(_NAMES):
        if before[name] is None:
            setattr(sys, name, _opened(number))
        elif before[name] is getattr(sys, f"__{name}__") and number:  # not where tests listen
            setattr(sys, name, _same_place(before[name], number, notes or name == "stderr"))
    try:
        yield
    finally:
        for name, stream in before.items():
            if (ours := getattr(sys, name)) is not stream:
                with contextlib.suppress(OSError, ValueError):
                    ours.flush() if stream else ours.close()
                setattr(sys, name, stream)


def check_stdout() -> None:
    """For a command whose work is what it prints.

    Raises:
      UserError: stdout was closed.
    """
    if getattr(sys.stdout, "name", None) == os.devnull:
        raise UserError("standard output is closed, and this prints what it finds")


def _take_numbers() -> None:
    """Opens 0, 1 and 2 where they are closed: the system gives the lowest that is free."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)


def _opened(number: int) -> IO[str]:
    mode = "w" if number else "r"
    return open(os.devnull, mode, encoding="utf-8", errors="surrogateescape")


def _same_place(stream: Any, number: int, lenient: bool) -> IO[str]:
    """Another stream to the same place."""
    with contextlib.suppress(OSError):
        stream.flush()
    text = io.TextIOWrapper if lenient else _Named
    return text(
        io.BufferedWriter((_Lenient if lenient else io.FileIO)(number, "w", closefd=False)),
        encoding=stream.encoding,
        errors="backslashreplace" if stream.errors == "strict" else stream.errors,
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )
