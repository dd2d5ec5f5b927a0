"""How a run is stopped: signals wait for the next step boundary, a second Ctrl-C does not."""

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from agejax.errors import Stopped


class Stop:
    """Whether a signal has asked the run to stop."""

    def __init__(self, codes: Mapping[int, int]):
        """`codes`: {signal: exit code}."""
        self.codes = codes
        self._asked: int | None = None
        self._agreed: int | None = None
        self._training = False

    @property
    def asked(self) -> bool:
        """Whether it has."""
        return self._asked is not None

    def agreed(self, agree: Callable[[int], int]) -> bool:
        """Whether all processes of the run stop at this step; `agree` gives the highest number."""
        self._agreed = agree(self._asked or 0) or None
        return self._agreed is not None

    @contextlib.contextmanager
    def at_step_boundaries(self) -> Iterator[None]:
        """Within, signals are only noted; outside, where nothing can be lost, they stop at once."""
        self._training = True
        try:
            yield
        finally:
            self._training = False

    def leave(self, where: str) -> None:
        """Ends the run if it was asked to stop.

        Raises:
          Stopped: it was.
        """
        if number := self._agreed or self._asked:
            name = signal.Signals(number).name
            raise Stopped(
                f"{name}: {where}; run the same command again to go on",
                self.codes[number],
                together=self._agreed is not None,
            )

    def handle(self, number: int, frame: Any) -> None:
        """A signal's handler, in the main thread."""
        del frame
        if self.asked and number == signal.SIGINT:
            raise KeyboardInterrupt
        self._asked = number
        if not self._training:
            self.leave("stopped outside of training, where there is nothing to save")
        if number == signal.SIGINT:
            with contextlib.suppress(OSError):  # the terminal may have gone
                os.write(2, b"\ninterrupted: saving at the next step; once more stops at once\n")


@contextlib.contextmanager
def stop_by_signal(sigterm: int, sigint: int) -> Iterator[Stop]:
    """Within, SIGTERM and SIGINT ask the run to stop, which then exits with these codes.

    So does SIGHUP, of a terminal that closes, with 129; where `nohup` has it ignored it stays so.
    A second SIGINT ends the process at once, except in a notebook, where it raises
    KeyboardInterrupt. Outside the main thread, where Python takes no signals, nothing is changed.
    """
    codes: dict[int, int] = {signal.SIGTERM: sigterm, signal.SIGINT: sigint}
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        codes[signal.SIGHUP] = 128 + signal.SIGHUP
    stop = Stop(codes)
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {number: signal.signal(number, stop.handle) for number in stop.codes}
    try:
        with contextlib.nullcontext() if hasattr(sys, "ps1") else _at_the_second(sigint):
            yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def _at_the_second(code: int) -> Iterator[None]:
    """Within, a second SIGINT exits, also while the main thread compiles and handles no signal."""
    ours, theirs = os.pipe()
    os.set_blocking(theirs, False)

    def watch() -> None:
        left = 2
        while left and (number := os.read(ours, 1)):
            left -= number[0] == signal.SIGINT
        if not left:
            os._exit(code)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    before = signal.set_wakeup_fd(theirs, warn_on_full_buffer=False)
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)
        os.close(theirs)  # which ends the thread
        thread.join()
        os.close(ours)
