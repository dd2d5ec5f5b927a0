"""Trainings that start in a second: a process that has imported all forks itself for each.

    python -m tests.battery.forks CONFIG_JSON_FILE

It reads from its standard input, a line each, a JSON object with the `workdir` of a run; trains one
after the other, each in a child of its own that starts JAX from nothing, and prints "pid N" and,
once it has ended, "ended STATUS". A child tells the driver where it is by single bytes in the file
`WORKDIR.trace`: "." for a step done, "(" for a save begun and ")" for one on the disk. What it
prints is in `WORKDIR.said`.

Where faults.c is preloaded, `fault` is [n, errno, sticky], which has the n-th write below the
workdir fail, and all after it where sticky, and `clock` true has the wall clock jump. The number of
writes is left in `WORKDIR.writes`.
"""

import ctypes
import json
import os
import sys
import warnings
from pathlib import Path

from tests.exits import exit_code
from tests.preload import preload


def main() -> None:
    warnings.simplefilter("ignore")  # JAX warns of forks; here it has not started yet
    from agejax import config as configs

    config = configs.from_json(Path(sys.argv[1]).read_text(), sys.argv[1])
    preload()
    for line in sys.stdin:
        if (pid := os.fork()) == 0:
            child(config, **json.loads(line))
        print("pid", pid, flush=True)
        _, status = os.waitpid(pid, 0)
        print("ended", os.waitstatus_to_exitcode(status), flush=True)


def child(config, workdir, fault=None, clock=False) -> None:
    """Trains as `launch.py` would, and leaves with its exit code."""
    from agejax.training.loop import train

    said = os.open(f"{workdir}.said", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
    os.dup2(said, 1), os.dup2(said, 2)
    trace(Path(f"{workdir}.trace"))
    faults = ctypes.CDLL(None)
    if fault:
        faults.faults_arm(f"{workdir}/".encode(), *fault)
    if clock:
        faults.faults_clock(1)
    code = exit_code(lambda: train(config, Path(workdir), save_on_signal=True))
    if fault:
        Path(f"{workdir}.writes").write_text(str(faults.faults_seen()))
    os._exit(code)


def trace(file: Path) -> None:
    """Has steps and saves leave their bytes there."""
    from agejax.checkpoints.async_save import Saving
    from agejax.checkpoints.checkpoint import Checkpoints
    from agejax.training.progress import Progress

    opened = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
    step, begin, save = Progress.step, Saving.save, Checkpoints.save

    def traced_step(self):
        step(self)
        os.write(opened, b".")

    def traced_begin(self, *args):
        self.wait()
        os.write(opened, b"(")
        begin(self, *args)

    def traced_save(self, *args):
        save(self, *args)
        os.write(opened, b")")

    Progress.step, Saving.save, Checkpoints.save = traced_step, traced_begin, traced_save


if __name__ == "__main__":
    main()
