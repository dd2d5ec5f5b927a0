"""Runs that are killed, or told to stop, at random moments, and simply started again.

What is started is a fork of a process that has all modules loaded (tests/battery/forks.py), so that
what of a start-up is Python's imports is not among the moments; all of agejax is.
"""

import collections
import random
import signal
import time

import pytest

from agejax.checkpoints.checkpoint import Checkpoints
from tests.battery.counts import counts, tell
from tests.battery.trainings import EVERY, STEPS
from tests.runs import assert_identical, metrics

PHASES = ("start-up", "steps", "save")


def moment(rng, aim):
    """When to kill: once what was seen of the training fulfils this, and so many seconds on."""
    match aim:
        case "start-up":
            return lambda seen: True, rng.uniform(0, 2.5)
        case "steps":
            n = rng.randint(1, EVERY + 2)
            return lambda seen: seen.count(b".") >= n, rng.uniform(0, 0.02)
        case "save":
            n = rng.randint(1, 2)
            return lambda seen: seen.count(b"(") >= n, rng.uniform(0, 0.25)


def phase(seen):
    """Where it was when it died."""
    if not seen.count(b"."):
        return "start-up"
    return "save" if seen.count(b"(") > seen.count(b")") else "steps"


def could_be_left(seen, saved):
    """Which steps may be the latest saved: that of the last save on the disk, or of one begun."""
    begun = [saved + seen[:i].count(b".") for i, byte in enumerate(seen) if byte == ord("(")]
    done = seen.count(b")")
    return [saved, *begun][done:]


@pytest.mark.parametrize("n", counts(200, smoke=1))
def test_killed_at_any_moment_it_ends_as_the_unbroken_run(driver, tmp_path, n):
    training, unbroken = driver
    rng, found, runs = random.Random(0), collections.Counter(), 0
    while found.total() < n:
        workdir = tmp_path / f"run{runs}"
        for _ in range(9):
            reached, delay = moment(rng, min(PHASES, key=found.__getitem__))
            saved = Checkpoints(workdir, read_only=True).latest() or 0
            training.start(workdir)
            training.wait_for(reached)
            time.sleep(delay)
            code = training.end(signal.SIGKILL)
            assert code in (0, -signal.SIGKILL), training.said()
            if code == 0:
                break  # it was faster
            found[phase(training.seen())] += 1
            now = Checkpoints(workdir, read_only=True).latest() or 0
            assert now in could_be_left(training.seen(), saved)
            if found.total() == n:
                break
        assert training.run(workdir) == 0, training.said()
        assert_identical(unbroken, workdir, STEPS)
        assert metrics(unbroken) == metrics(workdir)
        assert not list((workdir / "checkpoints").glob("damaged*"))
        assert "Traceback" not in training.said()
        runs += 1
    where = ", ".join(f"{found[phase]} in {phase}" for phase in PHASES)
    tell(
        "SIGKILL at random moments",
        f"{n} kills ({where}); 0 repairs; all {runs} runs bit-identical to the unbroken one, and "
        f"their metric logs but for the clock",
    )


@pytest.mark.parametrize("n", counts(50, smoke=1))
def test_told_to_stop_it_saves_the_step_and_exits_with_143(driver, tmp_path, n):
    training, unbroken = driver
    rng, stopped, runs = random.Random(1), 0, 0
    while stopped < n:
        workdir = tmp_path / f"run{runs}"
        done = 0
        while stopped < n:
            steps = rng.randint(1, 7)
            training.start(workdir)
            training.wait_for(lambda seen, steps=steps: seen.count(b".") >= steps)
            time.sleep(rng.uniform(0, 0.05))
            code = training.end(signal.SIGTERM)
            done += training.seen().count(b".")
            if done >= STEPS:
                break
            assert code == 143, training.said()
            assert Checkpoints(workdir, read_only=True).latest() == done
            stopped += 1
        assert training.run(workdir) == 0, training.said()
        assert_identical(unbroken, workdir, STEPS)
        assert metrics(unbroken) == metrics(workdir)
        runs += 1
    tell("SIGTERM", f"{stopped} of {stopped} saved, exited 143, no step lost ({runs} runs)")
