"""Ends this process soon after another one of its run is lost, with a line that says so."""

import contextlib
import os
import socket
import sys
import threading
import time
import traceback
from typing import Any, NoReturn, Protocol

from agejax.distributed.coordinator_proxy import Relay

LOST = 16  # seconds of silence after which a process is taken for lost
_EVERY = 2  # seconds between two signs of life
_EX_TEMPFAIL = 75


class Store(Protocol):
    """The key-value store that all processes share: a client of JAX's."""

    def key_value_set(self, key: str, value: str, allow_overwrite: bool = False) -> None:
        """Sets the value of a key."""

    def key_value_dir_get(self, key: str) -> list[tuple[str, str]]:
        """All keys below one, and their values."""


class Watchdog:
    """Shows the others that this process lives, and watches that they do.

    Silence is counted in looks, not in seconds, so that a machine that slept wakes in peace.
    """

    def __init__(self, store: Store, process: int, processes: int, relay: Relay | None):
        """Starts. `relay` leads to process 0, whose store it is; None there."""
        self._store, self._me, self._all, self._relay = store, process, processes, relay
        self._silent = dict.fromkeys(set(range(processes)) - {process}, 0)
        self._last: dict[int, str | None] = {}
        self._ending = threading.Event()
        self._telling = threading.Lock()
        for target in (self._beat, self._watch):
            threading.Thread(target=target, daemon=True).start()

    def end(self) -> None:
        """Stops watching: all processes end."""
        self._ending.set()

    def leave(self, code: Any) -> NoReturn:
        """Ends this process before its time, and the others with it."""
        self._ending.set()
        code = code if isinstance(code, int) else 1
        with contextlib.suppress(Exception):
            told = f"{socket.gethostname()}\t{code}"
            self._store.key_value_set(f"agejax/left/{self._me}", told, True)
        if self._me == 0:
            time.sleep(2 * _EVERY)  # the store goes with this process: let them read
        _exit(code)

    def fail(self, error: Exception) -> NoReturn:
        """Ends this process after an error that nobody expected.

        It may come of the loss of another process, which breaks what they do together at once, and
        shows here in a while; then that is told.
        """
        self._ending.wait(LOST + 3 * _EVERY)
        traceback.print_exception(error)
        self.leave(1)

    def _beat(self) -> None:
        count = 0
        while not self._ending.is_set():
            count += 1
            with contextlib.suppress(Exception):  # that it fails shows in what is not read
                self._store.key_value_set(f"agejax/beat/{self._me}", f"{count}", True)
                self._look(dict(self._store.key_value_dir_get("agejax/beat")))
                for key, value in self._store.key_value_dir_get("agejax/left"):
                    host, _, code = value.partition("\t")
                    self._go(
                        f"process {key.rpartition('/')[2]} on {host} ended before its time, with "
                        f"exit code {code}"
                    )
            self._ending.wait(_EVERY)

    def _look(self, beats: dict[str, str]) -> None:
        for process in self._silent:
            now = beats.get(f"agejax/beat/{process}")
            same = now == self._last.get(process)
            self._silent[process] = self._silent[process] + 1 if same else 0
            self._last[process] = now

    def _watch(self) -> None:
        received, silent, step = 0, 0, _EVERY / 4
        while not self._ending.wait(step):
            lost = [process for process, looks in self._silent.items() if looks * _EVERY >= LOST]
            if self._relay is not None:
                silent = silent + 1 if self._relay.received == received else 0
                received = self._relay.received
                if self._relay.broken:
                    self._go("process 0 is gone")
                if silent * step >= LOST:
                    lost = [0]
            if lost:
                self._go(f"process {lost[0]} of {self._all} gave no sign of life for {LOST} s")

    def _go(self, why: str) -> None:
        if not self._ending.is_set() and self._telling.acquire(blocking=False):
            print(  # a new line, since a bar may stand in this one
                f"\nerror: {why}; process {self._me} ends too: start all of them again to go on "
                f"from the last checkpoint",
                file=sys.stderr,
                flush=True,
            )
            if self._me == 0:
                time.sleep(2 * _EVERY)  # the others look by themselves, and need the store for it
            _exit(_EX_TEMPFAIL)


def _exit(code: int) -> NoReturn:
    """At once: what Python does at its end waits for the other processes."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()
    os._exit(code)
