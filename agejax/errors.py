"""Errors that are the user's to mend: shown as one line, exit code 2, never a traceback."""

import contextlib
import os
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path


class UserError(Exception):
    """What is wrong, where, and what to do, in one line."""


class NoSuchSplit(UserError):
    """A set of faces has no split of that name."""


class Stopped(SystemExit):
    """A run that ended early because it was asked to, with the exit code that this has."""

    def __init__(self, message: str, code: int, together: bool = False):
        """What happened, and how to go on, in one line; whether all processes of the run know."""
        super().__init__(code)
        self.message, self.together = message, together


@contextlib.contextmanager
def one_line() -> Iterator[None]:
    """Turns a `UserError`, or what the system refuses, into a line on stderr and exit code 2."""
    try:
        yield
    except UserError as error:
        fail(str(error))
    except Stopped as stopped:
        print(printable(stopped.message), file=sys.stderr)
        raise
    except KeyboardInterrupt:
        print("interrupted; run the same command again to go on", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:  # `agejax predict ... | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
    except OSError as error:
        where = f"{error.filename}: " if error.filename is not None else ""
        fail(f"{where}{error.strerror or error}")


def place(error: Exception, file: Path) -> str:
    """Where in a config an exception was raised: "FILE, line N", or the file where that is unknown.

    Files are told apart by their names: a config may be run under another path.
    """
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if Path(frame.filename).name == file.name]
    return f"{file}, line {lines[-1]}" if lines else str(file)


def first_line(error: Exception) -> str:
    """An error's own words, without the pages that some add to them: up to 240 characters."""
    said = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return said if len(said) <= 240 else f"{said[:80]} ... {said[-155:]}"  # the cause ends it


def printable(text: str) -> str:
    """Text for a line of a terminal: what is no visible character, as its escape.

    Names of files, and cells of tables, are anybody's: a newline in one would begin a line of its
    own, and an escape sequence command the terminal.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def fail(message: str) -> None:
    """Prints `error: message`, on one line, to stderr and exits with code 2."""
    print("error:", printable(message.strip()), file=sys.stderr)
    sys.exit(2)
