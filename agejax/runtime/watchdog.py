"""Ends this process soon after another one of its run is lost, with a line that says so."""

import contextlib
import os
import socket
import sys
import threading
import time
from collections.abc import Callable
from typing import Any, NoReturn, Protocol

from agejax.runtime.relay import Relay

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
        self._ending = threading.Event()
        self._host = socket.gethostname()
        for target in (self._beat, self._watch):
            threading.Thread(target=target, daemon=True).start()

    def end(self, shutdown: Callable[[], None]) -> None:
        """All processes end: `shutdown` waits for them."""
        self._ending.set()
        shutdown()

    def leave(self, code: Any) -> NoReturn:
        """Ends this process before its time, and the others with it."""
        self._ending.set()
        with contextlib.suppress(Exception):
            self._store.key_value_set(f"agejax/left/{self._me}", f"{self._host}\t{code}", True)
        if self._me == 0:
            time.sleep(2 * _EVERY)  # the store goes with this process: let them read
        _exit(int(code) if isinstance(code, int) else 1)

    def blame(self, error: Exception) -> None:
        """Ends this process if `error` comes of the loss of another one; that shows in a while."""
        said = str(error).strip().splitlines()[:1]
        print(f"process {self._me} cannot go on: {said[0][:200] if said else error!r}",
              file=sys.stderr, flush=True)  # fmt: skip
        self._ending.wait(LOST + 3 * _EVERY)
        self._ending.set()
        with contextlib.suppress(Exception):
            self._store.key_value_set(f"agejax/left/{self._me}", f"{self._host}\t1", True)

    def _beat(self) -> None:
        count, last = 0, {}
        while not self._ending.is_set():
            count += 1
            with contextlib.suppress(Exception):  # that it fails shows in what is not read
                self._store.key_value_set(f"agejax/beat/{self._me}", f"{count}", True)
                beats = dict(self._store.key_value_dir_get("agejax/beat"))
                for process in self._silent:
                    now = beats.get(f"agejax/beat/{process}")
                    self._silent[process] = (
                        0 if now != last.get(process) or now is None else self._silent[process] + 1
                    )
                    last[process] = now
                for key, value in self._store.key_value_dir_get("agejax/left"):
                    host, _, code = value.partition("\t")
                    self._go(f"process {key.rpartition('/')[2]} on {host} ended early (exit code "
                             f"{code}; its own last line says why)")  # fmt: skip
            self._ending.wait(_EVERY)

    def _watch(self) -> None:
        received, silent = 0, 0
        while not self._ending.wait(_EVERY / 4):
            for process, looks in dict(self._silent).items():
                if looks * _EVERY >= LOST:
                    self._go(f"process {process} of {self._all} gave no sign of life for {LOST} s")
            if self._relay is not None:
                silent = silent + 1 if self._relay.received == received else 0
                received = self._relay.received
                if self._relay.broken:
                    self._go("process 0 is gone")
                if silent * _EVERY / 4 >= LOST:
                    self._go(f"process 0 of {self._all} gave no sign of life for {LOST} s")

    def _go(self, why: str) -> None:
        if not self._ending.is_set():
            print(
                f"error: {why}; process {self._me} ends too: start all of them again to go on "
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
