"""Two runs in one folder, and what dead ones have left."""

import os
import random
import signal
import subprocess
import sys
import time

import pytest

from agejax.checkpoints.lock import one_run
from agejax.errors import UserError
from tests.battery.counts import counts, tell
from tests.conftest import ROOT
from tests.saved import contents, save

# Holds the folders that it is told, each in a child.
HOLDERS = """
import os, sys, time
from pathlib import Path
from agejax.checkpoints.lock import one_run
for line in sys.stdin:
    read, write = os.pipe()
    if (pid := os.fork()) == 0:
        with one_run(Path(line.strip())):
            os.write(write, b"held")
            time.sleep(600)
    os.read(read, 4)
    os.close(read), os.close(write)
    print(pid, flush=True)
"""


@pytest.fixture
def hold():
    pipe = subprocess.PIPE
    command = [sys.executable, "-c", HOLDERS]
    with subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, text=True) as server:

        def hold(folder):
            print(folder, file=server.stdin, flush=True)
            return int(server.stdout.readline())

        yield hold
        server.stdin.close()


@pytest.mark.parametrize("n", counts(50, smoke=1))
def test_of_two_runs_in_one_folder_the_second_is_refused(hold, tmp_path, n):
    """Where the first dies, the next one takes over."""
    rng, reclaimed = random.Random(0), 0
    for i in range(n):
        workdir = tmp_path / str(i)
        if i % 10 == 0:
            save(workdir, 1)
        pid = hold(workdir)
        try:
            before = contents(workdir)
            with pytest.raises(UserError, match=f"process {pid} on") as error, one_run(workdir):
                pass
            assert "\n" not in str(error.value)
            assert contents(workdir) == before
        finally:
            time.sleep(rng.uniform(0, 0.01))
            os.kill(pid, signal.SIGKILL)
        for _ in range(500):  # until the kernel has taken the lock back
            try:
                with one_run(workdir):
                    reclaimed += 1
                break
            except UserError:
                time.sleep(0.01)
    tell("two runs in one workdir", f"{n} of {n} refused in a line, nothing changed")
    tell("stale lock", f"{reclaimed} of {n} reclaimed")
    assert reclaimed == n
