"""Runs that are killed, or told to stop, at random moments, and simply started again.

What is started is a fork of a process that has all modules loaded (tests/battery/forks.py), so that
what of a start-up is Python's imports is not among the moments; all of agejax is.
"""

import collections
import contextlib
import os
import random
import signal
import subprocess
import sys
import time

import pytest

from agejax import config as configs
from agejax.runtime.checkpoint import Checkpoints
from tests.battery.counts import counts, tell
from tests.conftest import ROOT
from tests.runs import assert_identical, metrics

STEPS, EVERY = 24, 4


class Trainings:
    """Starts runs of one config, one at a time."""

    def __init__(self, config, folder, env):
        file = folder / "config.json"
        file.write_text(configs.to_json(config))
        command = [sys.executable, "-m", "tests.battery.forks", str(file)]
        pipe = subprocess.PIPE
        self._server = subprocess.Popen(
            command, cwd=ROOT, stdin=pipe, stdout=pipe, text=True, env=os.environ | env
        )
        self.pid = None

    def start(self, workdir):
        self.trace = workdir.with_name(f"{workdir.name}.trace")
        self.trace.unlink(missing_ok=True)
        print(workdir, file=self._server.stdin, flush=True)
        self.pid = int(self._answer("pid"))

    def seen(self):
        with contextlib.suppress(FileNotFoundError):
            return self.trace.read_bytes()
        return b""

    def wait_for(self, reached):
        """Until what was seen of the training fulfils `reached`, or it is over."""
        until = time.monotonic() + 120
        while not reached(self.seen()):
            if not os.path.exists(f"/proc/{self.pid}/fd/1") or time.monotonic() > until:
                break
            time.sleep(0.002)

    def end(self, number=None):
        """Sends a signal, and gives the exit code."""
        if number is not None:
            with contextlib.suppress(ProcessLookupError):  # it may just have ended
                os.kill(self.pid, number)
        return int(self._answer("ended"))

    def _answer(self, word):
        said, _, value = self._server.stdout.readline().partition(" ")
        assert said == word
        return value

    def close(self):
        self._server.stdin.close()
        self._server.wait()
        self._server.stdout.close()


@pytest.fixture(scope="module")
def trainings(archives, built, tmp_path_factory):
    """The starter, and an unbroken run of the same config."""
    from tests.tiny import get_config

    folder = tmp_path_factory.mktemp("trainings")
    config = get_config()
    config.data.update(manual_dir=str(archives), data_dir=str(built), size=8)
    with config.unlocked():
        config.model.args = {"widths": (4,), "depths": (1,), "dropout": 0.2}
    config.train.update(steps=STEPS, eval_every=EVERY, log_every=3)
    started = Trainings(config, folder, {"XLA_FLAGS": ""})
    started.start(folder / "unbroken")
    assert started.end() == 0, (folder / "unbroken.said").read_text()
    yield started, folder / "unbroken"
    started.close()


def moments(rng):
    """Where to kill, in turn: each tells the training's pace by what was seen of it."""
    while True:
        yield "start-up", lambda seen: True, rng.uniform(0, 2.5)
        n = rng.randint(1, EVERY + 2)
        yield "steps", lambda seen, n=n: seen.count(b".") >= n, rng.uniform(0, 0.02)
        n = rng.randint(1, 2)
        yield "save", lambda seen, n=n: seen.count(b"(") >= n, rng.uniform(0, 0.25)


def phase(seen):
    """Where it was when it died."""
    if not seen.count(b"."):
        return "start-up"
    return "save" if seen.count(b"(") > seen.count(b")") else "steps"


@pytest.mark.parametrize("n", counts(200, smoke=3))
def test_killed_at_any_moment_it_ends_as_the_unbroken_run(trainings, tmp_path, n):
    start, unbroken = trainings
    rng, found, runs = random.Random(0), collections.Counter(), 0
    when = moments(rng)
    while found.total() < n:
        workdir = tmp_path / f"run{runs}"
        for _ in range(9):
            aim, reached, delay = next(when)
            saved = Checkpoints(workdir, read_only=True).latest() or 0
            start.start(workdir)
            start.wait_for(reached)
            time.sleep(delay)
            code = start.end(signal.SIGKILL)
            assert code in (0, -signal.SIGKILL), said(workdir)
            if code == 0:
                break  # it was faster
            found[phase(start.seen())] += 1
            now = Checkpoints(workdir, read_only=True).latest() or 0
            lost = saved + start.seen().count(b".") - now
            assert 0 <= lost <= EVERY
            if found.total() == n:
                break
        start.start(workdir)
        assert start.end() == 0, said(workdir)
        assert_identical(unbroken, workdir, STEPS)
        assert metrics(unbroken) == metrics(workdir)
        assert not list((workdir / "checkpoints").glob("damaged*"))
        assert "Traceback" not in said(workdir)
        runs += 1
    where = ", ".join(f"{count} in {where}" for where, count in sorted(found.items()))
    tell("SIGKILL", f"{n} kills ({where}) over {runs} runs; 0 repairs; every one bit-identical")


@pytest.mark.parametrize("n", counts(50, smoke=2))
def test_told_to_stop_it_saves_the_step_and_exits_with_143(trainings, tmp_path, n):
    start, unbroken = trainings
    rng, stopped, runs = random.Random(1), 0, 0
    while stopped < n:
        workdir = tmp_path / f"run{runs}"
        done = 0
        while stopped < n:
            steps = rng.randint(1, 7)
            start.start(workdir)
            start.wait_for(lambda seen, steps=steps: seen.count(b".") >= steps)
            time.sleep(rng.uniform(0, 0.05))
            code = start.end(signal.SIGTERM)
            done += start.seen().count(b".")
            if done >= STEPS:
                break
            assert code == 143, said(workdir)
            assert Checkpoints(workdir, read_only=True).latest() == done
            stopped += 1
        start.start(workdir)
        assert start.end() == 0, said(workdir)
        assert_identical(unbroken, workdir, STEPS)
        assert metrics(unbroken) == metrics(workdir)
        runs += 1
    tell("SIGTERM", f"{stopped} of {stopped} saved, exited 143, no step lost ({runs} runs)")


def said(workdir):
    return workdir.with_name(f"{workdir.name}.said").read_text()
