"""Errors that are the user's to mend: shown as one line, exit code 2, never a traceback."""

import contextlib
import os
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

from agejax.utils.printable import printable


class UserError(Exception):
    """What is wrong, where, and what to do, in one line."""


class NoSuchSplit(UserError):
    """A set of faces has no split of that name."""


class Stopped(KeyboardInterrupt):
    """A signal has ended what was going on.

    Attributes:
      message: what happened, and how to go on, in one line.
      code: with which a command exits.
      together: whether all processes of a run know.
    """

    def __init__(self, message: str, code: int, together: bool = False):
        """See above."""
        super().__init__(message)
        self.message, self.code, self.together = message, code, together


@contextlib.contextmanager
def one_line() -> Iterator[None]:
    """Turns what a person can mend into a line on stderr and exit code 2.

    That is a `UserError`, what the system refuses, and a JAX that finds no device or no memory.
    Ctrl-C is 130 and a reader that has gone 141, as a shell has them.
    """
    try:
        with _printed():
            yield
    except UserError as error:
        fail(str(error))
    except Stopped as stopped:
        _say(printable(stopped.message))
        raise SystemExit(stopped.code) from stopped
    except KeyboardInterrupt:
        _say("interrupted; run the same command again to go on")
        sys.exit(130)
    except BrokenPipeError:  # `agejax predict ... | head`
        _drop_output()
        sys.exit(141)
    except MemoryError:
        fail("this machine has too little memory for that")
    except OSError as error:
        _drop_output()
        fail(_of_system(error))
    except UnicodeEncodeError as error:
        fail(
            f"{error.object!r} cannot be written in {error.encoding}, this system's encoding; set "
            f"the environment variable PYTHONUTF8=1"
        )
    except Exception as error:
        if type(error).__name__ == "JaxRuntimeError" and "KeyboardInterrupt" in str(error):
            sys.exit(130)  # it came while our convolutions were called from C
        if (told := _of_jax(error)) is None:
            raise
        fail(told)


@contextlib.contextmanager
def _printed() -> Iterator[None]:
    """Within, what is printed has reached its reader by the end, or an `OSError` tells otherwise.

    Python itself would look only once the exit code is settled.
    """
    try:
        yield
    except SystemExit:
        sys.stdout.flush()
        raise
    sys.stdout.flush()


def _of_system(error: OSError) -> str:
    """What the system refuses, and of which file."""
    name = error.filename
    if isinstance(error, FileNotFoundError) and not os.path.isabs(name or "") and _is_adrift():
        return "the folder that this was started in is gone; change into another, and try again"
    where = f"{printable(os.fsdecode(name))}: " if isinstance(name, str | bytes) else ""
    return f"{where}{error.strerror or error}"


def _is_adrift() -> bool:
    try:
        os.getcwd()
    except OSError:
        return True
    return False


def _drop_output() -> None:
    """Has what is still to be printed go nowhere, or Python would try again at its end."""
    with contextlib.suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _of_jax(error: Exception) -> str | None:
    """What is wrong with the devices that JAX was to work on; None where something else is."""
    frames = traceback.walk_tb(error.__traceback__)
    if any(frame.f_globals.get("__name__") == "jax._src.xla_bridge" for frame, _ in frames):
        asked = os.environ.get("JAX_PLATFORMS")
        of = f" of JAX_PLATFORMS={asked}" if asked else ""
        said = f" ({first_line(error)})" if isinstance(error, RuntimeError) else ""
        remedy = "; without JAX_PLATFORMS it takes what there is" if asked else ""
        return f"JAX finds no device{of} that it can work on{said}{remedy}"
    if type(error).__name__ == "JaxRuntimeError" and "RESOURCE_EXHAUSTED" in str(error):
        return f"the device has too little memory ({first_line(error)}); try a smaller batch size"
    return None


def place(error: BaseException, file: Path) -> str:
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


def told(message: object) -> str:
    """A message on one line, with nothing in it that a terminal would act on."""
    return printable(" ".join(str(message).split()))


def fail(message: str) -> NoReturn:
    """Prints `error: message`, on one line, to stderr and exits with code 2."""
    _say(f"error: {told(message)}")
    sys.exit(2)


def _say(line: str) -> None:
    with contextlib.suppress(OSError, ValueError):  # nobody listens: the exit code tells
        print(line, file=sys.stderr, flush=True)
