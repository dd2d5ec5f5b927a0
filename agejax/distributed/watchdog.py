"""Ends this process, with a one-line message, soon after another process of its run is lost."""

import contextlib
import os
import socket
import sys
import threading
import time
import traceback
from typing import Any, NoReturn, Protocol

from agejax.distributed.coordinator_proxy import Relay

LOST = 16  # seconds without a heartbeat after which a process is lost
_EVERY = 2  # seconds between heartbeats
_EX_TEMPFAIL = 75


class Store(Protocol):
    """The key-value store shared by all processes: JAX's client."""

    def key_value_set(self, key: str, value: str, allow_overwrite: bool = False) -> None:
        """Sets the value of a key."""

    def key_value_dir_get(self, key: str) -> list[tuple[str, str]]:
        """All keys below a prefix, with their values."""


class Watchdog:
    """Sends heartbeats to the other processes and watches theirs.

    Silence is counted in checks, not in seconds, so that suspending a machine is not an error.
    """

    def __init__(self, store: Store, process: int, processes: int, relay: Relay | None):
        """Starts. `relay` connects to process 0, which hosts the store; None in process 0."""
        self._store, self._me, self._all, self._relay = store, process, processes, relay
        self._silent = dict.fromkeys(set(range(processes)) - {process}, 0)
        self._last: dict[int, str | None] = {}
        self._ending = threading.Event()
        self._telling = threading.Lock()
        for target in (self._beat, self._watch):
            threading.Thread(target=target, daemon=True).start()

    def end(self) -> None:
        """Stops watching, since all processes are ending."""
        self._ending.set()

    def leave(self, code: Any) -> NoReturn:
        """Ends this process early, and the others with it."""
        self._ending.set()
        code = code if isinstance(code, int) else 1
        with contextlib.suppress(Exception):
            state = f"{socket.gethostname()}\t{code}"
            self._store.key_value_set(f"agejax/left/{self._me}", state, True)
        if self._me == 0:
            time.sleep(2 * _EVERY)  # the store ends with this process: let the others read
        _exit(code)

    def fail(self, error: Exception) -> NoReturn:
        """Ends this process after an unexpected error.

        If the loss of another process caused it, which the watchdog detects a little later, that
        loss is reported instead.
        """
        self._ending.wait(LOST + 3 * _EVERY)
        traceback.print_exception(error)
        self.leave(1)

    def _beat(self) -> None:
        count = 0
        while not self._ending.is_set():
            count += 1
            with contextlib.suppress(Exception):  # a failure shows up as a missing heartbeat
                self._store.key_value_set(f"agejax/beat/{self._me}", f"{count}", True)
                self._look(dict(self._store.key_value_dir_get("agejax/beat")))
                for key, value in self._store.key_value_dir_get("agejax/left"):
                    host, _, code = value.partition("\t")
                    self._go(
                        f"process {key.rpartition('/')[2]} on {host} ended early with "
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
                self._go(f"process {lost[0]} of {self._all} did not respond for {LOST} s")

    def _go(self, why: str) -> None:
        if not self._ending.is_set() and self._telling.acquire(blocking=False):
            print(  # on a new line, after a progress bar
                f"\nerror: {why}; process {self._me} ends too: start all of them again to resume "
                f"from the last checkpoint",
                file=sys.stderr,
                flush=True,
            )
            if self._me == 0:
                time.sleep(2 * _EVERY)  # the others check for themselves and need the store
            _exit(_EX_TEMPFAIL)


def _exit(code: int) -> NoReturn:
    """Exits immediately: at a normal exit Python would wait for the other processes."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()
    os._exit(code)
