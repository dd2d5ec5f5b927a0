"""Runs benchmark peers alternately, each in its own child process.

Separate processes keep threads and heaps apart; alternating rounds expose all peers to the same
load of the machine.
"""

import contextlib
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

_HERE = Path(__file__).parent

# Makes glibc's allocator keep freed memory, as agejax does by itself.
KEEP_MEMORY = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": "-1", "MALLOC_ARENA_MAX": "1"}


def versions(*packages: str) -> str:
    """The installed versions of packages."""
    found = []
    for name in packages:
        with contextlib.suppress(PackageNotFoundError):
            found.append(f"{name} {version(name)}")
    return ", ".join([*found, f"Python {platform.python_version()}"])


def serve(work: Callable[[int], None], before: Callable[[int], None] = lambda n: None) -> None:
    """Loop of a child process: calls `work(n)` for every number received, and sends its seconds.

    `before(n)` is not timed.
    """
    with open(int(os.environ["TURNS_ANSWERS"]), "w") as answers:
        for line in sys.stdin:
            before(int(line))
            start = time.perf_counter()
            work(int(line))
            print(time.perf_counter() - start, file=answers, flush=True)


class Peer:
    """A child process that runs a file of this folder, which calls `serve`."""

    folder = _HERE

    @staticmethod
    def env() -> dict[str, str]:
        """The environment, with this repository's `agejax` on the path."""
        before = os.environ.get("PYTHONPATH")  # dependencies may be there
        return {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(filter(None, [str(_HERE.parent), before])),
        }

    def __init__(
        self,
        file: str,
        *args: str,
        env: dict[str, str] | None = None,
        python: str = sys.executable,
    ):
        read, write = os.pipe()  # instead of standard output, to which libraries print
        command = [python, str(_HERE / file), *args]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=sys.stderr,
            text=True,
            env=self.env() | (env or {}) | {"TURNS_ANSWERS": str(write)},
            pass_fds=[write],
        )
        os.close(write)
        self._answers = open(read)  # noqa: SIM115

    def seconds(self, n: int) -> float:
        """The seconds that work of size `n` takes."""
        self.ask(n)
        return self.answer()

    def ask(self, n: int) -> None:
        """Starts work of size `n`; `answer` waits for it."""
        with contextlib.suppress(BrokenPipeError):  # `answer` reports a process that has ended
            print(n, file=self._process.stdin, flush=True)

    def answer(self) -> float:
        """The seconds that the work of the last `ask` took."""
        answer = self._answers.readline()
        if not answer:
            sys.exit(f"error: {' '.join(self._process.args[1:])} ended with {self._process.wait()}")
        return float(answer)

    def close(self) -> None:
        """Ends the child process."""
        with contextlib.suppress(BrokenPipeError):
            self._process.communicate()
        self._answers.close()


def take_turns(peers: list[Peer], *, warm_up: int, n: int, rounds: int) -> list[list[float]]:
    """The seconds of each peer in every round, [peers][rounds], after a warm-up of each."""
    for peer in peers:
        peer.seconds(warm_up)
    times = [[peer.seconds(n) for peer in peers] for _ in range(rounds)]
    for peer in peers:
        peer.close()
    return [list(column) for column in zip(*times, strict=True)]


def ratio(theirs: list[float], ours: list[float]) -> str:
    """How many times as fast agejax is: the median over rounds, and the range."""
    ratios = [b / a for a, b in zip(ours, theirs, strict=True)]
    return f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
