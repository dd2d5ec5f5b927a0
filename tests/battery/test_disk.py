"""Disks that are full, fail or are read-only from a random write on, and a clock that jumps."""

import collections
import errno
import random
import shutil
import signal

import pytest

from agejax.checkpoints.checkpoint import Checkpoints
from tests.battery.counts import counts, tell
from tests.battery.trainings import STEPS
from tests.runs import assert_identical, metrics
from tests.saved import contents

FAULTS = {
    "no space": (errno.ENOSPC, True),
    "I/O error, once": (errno.EIO, False),
    "I/O error": (errno.EIO, True),
    "read-only": (errno.EROFS, True),
}
NO_FAULT = (-1, 0, False)


@pytest.fixture(scope="module")
def stopped(driver, faults, tmp_path_factory):
    """The folder of a run that was stopped."""
    if faults is None:
        pytest.skip("needs a C compiler")
    training, _ = driver
    workdir = tmp_path_factory.mktemp("stopped") / "run"
    training.start(workdir)
    training.wait_for(lambda seen: seen.count(b".") >= 7)
    assert training.end(signal.SIGTERM) == 143
    return workdir


@pytest.mark.parametrize("n", counts(100, smoke=1))
def test_at_whatever_write_the_disk_gives_out_nothing_is_lost(driver, stopped, tmp_path, n):
    training, unbroken = driver
    shutil.copytree(stopped, tmp_path / "counted")
    assert training.run(tmp_path / "counted", fault=NO_FAULT) == 0
    writes = training.writes()
    rng, kinds, failed = random.Random(2), collections.Counter(), []
    while (i := kinds.total()) < n:
        kind, at = list(FAULTS)[i % len(FAULTS)], rng.randint(1, writes)
        workdir = shutil.copytree(stopped, tmp_path / f"run{i}")
        try:
            reached = give_out(training, stopped, unbroken, workdir, (at, *FAULTS[kind]))
        except AssertionError as error:  # the others are of interest, too
            failed.append(f"{kind} at write {at} of {writes}: {error}")
            reached = True
        kinds[kind] += reached
        shutil.rmtree(workdir)
    assert not failed, f"{len(failed)} of {n}:\n" + "\n".join(failed)
    told = ", ".join(f"{count} {kind}" for kind, count in kinds.items())
    tell(
        "no space, I/O error, read-only at a random write",
        f"{n} points ({told}) of {writes} writes; the earlier checkpoint intact, one line each; "
        f"once there is room, bit-identical to the unbroken run",
    )


def give_out(training, stopped, unbroken, workdir, fault):
    """A run on a disk that fails, and again on one that does not; whether it came to fail."""
    before, saved = contents(stopped / "checkpoints"), Checkpoints(stopped).latest()
    code, said = training.run(workdir, fault=fault), training.said()
    if code == 0 and training.writes() < fault[0]:  # a run has some fewer writes than another
        return False
    assert code == 2, said
    assert "Traceback" not in said, said
    errors = [line for line in said.splitlines() if line.startswith("error: ")]
    assert errors == said.splitlines()[-1:], said
    assert str(workdir) in errors[0], said
    latest = Checkpoints(workdir, read_only=True).latest() or 0
    assert latest >= saved, f"{latest} is left; {said}"
    if latest == saved:
        now = contents(workdir / "checkpoints")
        assert {name: now.get(name) for name in before} == before, said
    assert training.run(workdir) == 0, training.said()
    assert_identical(unbroken, workdir, STEPS)
    assert metrics(unbroken) == metrics(workdir)
    assert not list((workdir / "checkpoints").glob("damaged*")), training.said()
    return True


@pytest.mark.parametrize("n", counts(20, smoke=1))
def test_a_clock_that_jumps_changes_nothing(driver, faults, tmp_path, n):
    if faults is None:
        pytest.skip("needs a C compiler")
    training, unbroken = driver
    aborted = 0
    for i in range(n):
        workdir = tmp_path / f"run{i}"
        # TensorStore aborts where the clock goes back within its commit: a kill like any other.
        codes = [training.run(workdir, clock=True)]
        while codes[-1] and "staleness_bound" in training.said() and len(codes) < 20:
            codes.append(training.run(workdir, clock=True))
        assert codes[-1] == 0, training.said()
        aborted += len(codes) - 1
        assert_identical(unbroken, workdir, STEPS)
        assert metrics(unbroken) == metrics(workdir)
    tell(
        "a clock that jumps by days",
        f"{n} of {n} runs bit-identical to the unbroken one; {aborted} times TensorStore aborted "
        f"in a save, and the same command went on",
    )
