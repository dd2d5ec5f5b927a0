"""What stands around every command: its streams, the signals that end it, its errors in a line."""

import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterator
from typing import Any

from agejax.errors import Stopped, one_line
from agejax.utils.notes import printed
from agejax.utils.streams import standard_streams

_AGAIN = 5  # seconds in which a second signal is the first one's echo, as of a terminal that closes


@contextlib.contextmanager
def program(*, notes: bool = False) -> Iterator[None]:
    """Within, a command is done as a person expects: it ends in order, and never in a traceback.

    `notes` is as for `standard_streams`.
    """
    with standard_streams(notes=notes), one_line(), printed(), ended_in_order():
        yield


@contextlib.contextmanager
def ended_in_order() -> Iterator[None]:
    """Within, SIGTERM and SIGHUP raise `Stopped`, so that what is half written is removed.

    One that is ignored, as SIGHUP is under `nohup`, stays so. Outside of the main thread, where
    Python takes no signals, nothing is changed.
    """
    since: float | None = None
    stopped = Stopped("", 0)

    def end(number: int, frame: Any) -> None:
        nonlocal since, stopped
        del frame
        now = time.monotonic()
        if since is None or now - since > _AGAIN:
            since = now
            name = signal.Signals(number).name
            stopped = Stopped(f"{name}: ended before all was done", 128 + number)
            raise stopped

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    taken = [n for n in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(n) is signal.SIG_DFL]
    for number in taken:
        signal.signal(number, end)
    try:
        yield
    except Exception as error:
        if since is not None:  # it came while Python was called from C, which makes it an error
            raise stopped from error
        raise
    finally:
        for number in taken:
            signal.signal(number, signal.SIG_DFL)


def end_quietly_on_interrupt() -> None:
    """Has Ctrl-C end this process at once: for the time of its imports, when nothing has begun."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, lambda *_: os._exit(130))


def interrupt_as_usual() -> None:
    """Takes back what `end_quietly_on_interrupt` has changed."""
    if signal.getsignal(signal.SIGINT) not in (signal.SIG_IGN, signal.SIG_DFL, None):
        signal.signal(signal.SIGINT, signal.default_int_handler)
