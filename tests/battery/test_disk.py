"""Disks that are full, fail or are read-only from a random write on, and a clock that jumps."""

import collections
import errno
import random
import shutil
import signal
import subprocess

import pytest

from agejax.runtime.checkpoint import Checkpoints
from tests.battery.counts import counts, tell
from tests.battery.trainings import STEPS, trainings
from tests.conftest import ROOT
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
def driver(archives, built, tmp_path_factory):
    """As in test_kills, and the folder of a run that was stopped."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if not compiler:
        pytest.skip("needs a C compiler")
    folder = tmp_path_factory.mktemp("disk")
    command = [compiler, "-shared", "-fPIC", "-o", folder / "faults.so", "faults.c", "-ldl"]
    subprocess.run(command, cwd=ROOT / "tests/battery", check=True)
    preload = {"LD_PRELOAD": str(folder / "faults.so")}
    with trainings(archives, built, folder, **preload) as (training, unbroken):
        training.start(folder / "stopped")
        training.wait_for(lambda seen: seen.count(b".") >= 7)
        assert training.end(signal.SIGTERM) == 143
        yield training, unbroken, folder / "stopped"


@pytest.mark.parametrize("n", counts(100, smoke=4))
def test_at_whatever_write_the_disk_gives_out_nothing_is_lost(driver, tmp_path, n):
    training, unbroken, stopped = driver
    before, saved = contents(stopped / "checkpoints"), Checkpoints(stopped).latest()
    shutil.copytree(stopped, tmp_path / "counted")
    assert training.run(tmp_path / "counted", fault=NO_FAULT) == 0
    writes = training.writes()
    rng, ends = random.Random(2), collections.Counter()
    for i in range(n):
        kind = list(FAULTS)[i % len(FAULTS)]
        workdir = shutil.copytree(stopped, tmp_path / f"run{i}")
        at = rng.randint(1, writes)
        code = training.run(workdir, fault=(at, *FAULTS[kind]))
        where = f"{kind} at write {at} of {writes}: {training.said()}"
        assert code == 2, where
        lines = training.said().splitlines()
        assert "Traceback" not in training.said(), where
        assert str(workdir) in lines[-1], where
        assert [line.startswith("error: ") for line in lines].count(True) == 1, where
        assert lines[-1].startswith("error: "), where
        latest = Checkpoints(workdir, read_only=True).latest()
        assert (latest or 0) >= saved, where
        if latest == saved:
            now = contents(workdir / "checkpoints")
            assert {name: now.get(name) for name in before} == before, where
        assert training.run(workdir) == 0, f"{where}; then {training.said()}"
        assert_identical(unbroken, workdir, STEPS)
        assert metrics(unbroken) == metrics(workdir)
        assert not list((workdir / "checkpoints").glob("damaged*")), where
        ends[kind] += 1
        shutil.rmtree(workdir)
    told = ", ".join(f"{count} {kind}" for kind, count in ends.items())
    tell(
        "no space, I/O error, read-only at a random write",
        f"{n} points ({told}) of {writes} writes; the earlier checkpoint intact, one line each; "
        f"once there is room, bit-identical to the unbroken run",
    )


@pytest.mark.parametrize("n", counts(20, smoke=1))
def test_a_clock_that_jumps_changes_nothing(driver, tmp_path, n):
    training, unbroken, _ = driver
    for i in range(n):
        workdir = tmp_path / f"run{i}"
        assert training.run(workdir, clock=True) == 0, training.said()
        assert_identical(unbroken, workdir, STEPS)
        assert metrics(unbroken) == metrics(workdir)
    tell("a clock that jumps by days", f"{n} of {n} runs bit-identical to the unbroken one")
