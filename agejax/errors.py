"""Errors that the user can fix: shown as one line with exit code 2, never as a traceback."""

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
    """The set of faces has no split of that name."""


class Stopped(KeyboardInterrupt):
    """A signal ended the work.

    Attributes:
      message: what happened and how to continue, in one line.
      code: the exit code of a command.
      together: whether all processes of the run stop at the same step.
    """

    def __init__(self, message: str, code: int, together: bool = False):
        """Sets the attributes."""
        super().__init__(message)
        self.message, self.code, self.together = message, code, together


@contextlib.contextmanager
def one_line() -> Iterator[None]:
    """Turns errors that the user can fix into one line on stderr and exit code 2.

    These are `UserError`, errors of the operating system, and JAX finding no device or running out
    of memory. Ctrl-C exits with 130 and a closed pipe with 141, as in a shell.
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
        _say("interrupted; run the same command again to continue")
        sys.exit(130)
    except BrokenPipeError:  # `agejax predict ... | head`
        _drop_output()
        sys.exit(141)
    except MemoryError:
        fail("this machine has too little memory for this command")
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
            sys.exit(130)  # raised inside a callback from C
        if (message := _of_jax(error)) is None:
            raise
        fail(message)


@contextlib.contextmanager
def _printed() -> Iterator[None]:
    """Flushes stdout on exit, so that a failed write raises `OSError` here.

    Python itself would notice only after the exit code is decided.
    """
    try:
        yield
    except SystemExit:
        sys.stdout.flush()
        raise
    sys.stdout.flush()


def _of_system(error: OSError) -> str:
    """The message of an error of the operating system, with its file."""
    name = error.filename
    if isinstance(error, FileNotFoundError) and not os.path.isabs(name or "") and _cwd_is_gone():
        return "the current folder no longer exists; change to another one and try again"
    where = f"{printable(os.fsdecode(name))}: " if isinstance(name, str | bytes) else ""
    return f"{where}{error.strerror or error}"


def _cwd_is_gone() -> bool:
    try:
        os.getcwd()
    except OSError:
        return True
    return False


def _drop_output() -> None:
    """Discards unwritten output; otherwise Python would try to write it again at exit."""
    with contextlib.suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _of_jax(error: Exception) -> str | None:
    """The message of a JAX error about devices or memory; None for any other error."""
    frames = traceback.walk_tb(error.__traceback__)
    if any(frame.f_globals.get("__name__") == "jax._src.xla_bridge" for frame, _ in frames):
        asked = os.environ.get("JAX_PLATFORMS")
        of = f" of JAX_PLATFORMS={asked}" if asked else ""
        said = f" ({first_line(error)})" if isinstance(error, RuntimeError) else ""
        remedy = "; unset JAX_PLATFORMS to use the devices that are present" if asked else ""
        return f"JAX finds no usable device{of}{said}{remedy}"
    if type(error).__name__ == "JaxRuntimeError" and "RESOURCE_EXHAUSTED" in str(error):
        return f"the device has too little memory ({first_line(error)}); try a smaller batch size"
    return None


def place(error: BaseException, file: Path) -> str:
    """Where in a config an exception was raised: "FILE, line N", or FILE if the line is unknown.

    Frames are matched by file name alone, since a config may be run from another path.
    """
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if Path(frame.filename).name == file.name]
    return f"{file}, line {lines[-1]}" if lines else str(file)


def first_line(error: Exception) -> str:
    """The first line of an error's message, shortened to at most 240 characters."""
    said = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return said if len(said) <= 240 else f"{said[:80]} ... {said[-155:]}"  # the cause is at the end


def told(message: object) -> str:
    """A message on one line, without control characters."""
    return printable(" ".join(str(message).split()))


def fail(message: str) -> NoReturn:
    """Prints `error: message`, on one line, to stderr and exits with code 2."""
    _say(f"error: {told(message)}")
    sys.exit(2)


def _say(line: str) -> None:
    with contextlib.suppress(OSError, ValueError):  # stderr is closed: the exit code remains
        print(line, file=sys.stderr, flush=True)
