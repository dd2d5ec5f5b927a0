"""Trainings that start in a second: a process that has imported all forks itself for each.

    python -m tests.battery.forks CONFIG_JSON_FILE

It reads the folders of runs from its standard input, a line each; trains one after the other, each
in a child of its own that starts JAX from nothing, and prints "pid N" and, once it has ended,
"ended STATUS". A child tells the driver where it is by single bytes in the file `WORKDIR/trace`:
"." for a step done, "(" and ")" around a save.
"""

import os
import sys
import warnings
from pathlib import Path


def main() -> None:
    warnings.simplefilter("ignore")  # JAX warns of forks; here it has not started yet
    import agejax.runtime.loop  # noqa: F401
    from agejax import config as configs

    config = configs.from_json(Path(sys.argv[1]).read_text(), sys.argv[1])
    for line in sys.stdin:
        if (pid := os.fork()) == 0:
            child(config, Path(line.rstrip("\n")))
        print("pid", pid, flush=True)
        _, status = os.waitpid(pid, 0)
        print("ended", os.waitstatus_to_exitcode(status), flush=True)


def child(config, workdir: Path) -> None:
    """Trains as `launch.py` would, and leaves with its exit code."""
    from agejax.errors import one_line
    from agejax.runtime.checkpoint import Checkpoints
    from agejax.runtime.loop import train
    from agejax.runtime.progress import Progress

    said = os.open(f"{workdir}.said", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    os.dup2(said, 1), os.dup2(said, 2)
    trace = os.open(f"{workdir}.trace", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
    step, save = Progress.step, Checkpoints.save

    def traced_step(self):
        step(self)
        os.write(trace, b".")

    def traced_save(self, *args):
        os.write(trace, b"(")
        save(self, *args)
        os.write(trace, b")")

    Progress.step, Checkpoints.save = traced_step, traced_save
    code = 1
    try:
        with one_line():
            train(config, workdir)
        code = 0
    except SystemExit as left:
        code = left.code if isinstance(left.code, int) else 1
    finally:
        sys.stdout.flush(), sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    main()
