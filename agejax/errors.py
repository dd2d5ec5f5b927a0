"""Errors that are the user's to mend: shown as one line, exit code 2, never a traceback."""

import contextlib
import os
import sys
from collections.abc import Iterator


class UserError(Exception):
    """What is wrong, where, and what to do, in one line."""


class NoSuchSplit(UserError):
    """A set of faces has no split of that name."""


class Stopped(SystemExit):
    """A run that ended early because it was asked to, with the exit code that this has."""

    def __init__(self, message: str, code: int):
        """What happened, and how to go on, in one line."""
        super().__init__(code)
        self.message = message


@contextlib.contextmanager
def one_line() -> Iterator[None]:
    """Turns a `UserError`, or what the system refuses, into a line on stderr and exit code 2."""
    try:
        yield
    except UserError as error:
        fail(str(error))
    except Stopped as stopped:
        print(stopped.message, file=sys.stderr)
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


def fail(message: str) -> None:
    """Prints `error: message`, on one line, to stderr and exits with code 2."""
    print("error:", " ".join(message.split()), file=sys.stderr)
    sys.exit(2)
