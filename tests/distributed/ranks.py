"""Processes of `launch.py` that start in a second: one that has imported all forks itself for each.

    python -m tests.distributed.ranks

It reads JSON lines. `{"argv": [...], "devices": n, "said": FILE, "trace": FILE, "hit": ...}` starts
`launch.py ARGV` with n fake devices and answers with its number; where "hit" is [STEP, SIGNAL,
SECONDS], it sends itself that signal so long after it has called that step. `{"wait": PID}` answers
with its exit code. By lines of its trace a process tells where it is: "rows STEP FIRST [rows]" for
the faces that it reads, "step" for a step called, "save" and "saved".
"""

import itertools
import json
import os
import sys
import time
import warnings

from tests.exits import exit_code
from tests.preload import preload


def main() -> None:
    warnings.simplefilter("ignore")  # JAX warns of forks; here it has not started yet
    preload()
    for line in sys.stdin:
        asked = json.loads(line)
        if "wait" in asked:
            _, status = os.waitpid(asked["wait"], 0)
            print(os.waitstatus_to_exitcode(status), flush=True)
        elif pid := os.fork():
            print(pid, flush=True)
        else:
            child(**asked)


def child(argv, devices: int, said: str, trace: str, hit, lost: int) -> None:
    """Is `launch.py`, and leaves with its exit code."""
    from agejax.cli import launch
    from agejax.distributed import watchdog

    watchdog.LOST = lost

    os.environ["XLA_FLAGS"] = f"--xla_force_host_platform_device_count={devices}"
    words = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    os.dup2(words, 1), os.dup2(words, 2)
    follow(os.open(trace, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666), hit)
    sys.argv = argv
    os._exit(exit_code(lambda: launch.main(argv)))


def follow(trace: int, hit) -> None:
    """Has what training does told to a file, and a signal sent when it is time."""
    steps = itertools.count(1)
    from agejax.checkpoints.checkpoint import Checkpoints
    from agejax.data import stream
    from agejax.training.progress import Progress

    step_rows, step, save = stream.step_rows, Progress.step, Checkpoints.save
    tell = lambda text: os.write(trace, f"{text}\n".encode())

    def told_rows(*args, **kwargs):
        rows_of = step_rows(*args, **kwargs)

        def rows(n, part=slice(None)):
            rows = rows_of(n, part)
            tell(f"rows {n} {part.start or 0} {list(map(int, rows))}")
            return rows

        return rows

    def told_step(self):
        step(self)
        tell("step")
        if hit and next(steps) == hit[0]:
            time.sleep(hit[2])
            os.kill(os.getpid(), hit[1])

    def told_save(self, *args):
        tell("save")
        save(self, *args)
        tell("saved")

    stream.step_rows, Progress.step, Checkpoints.save = told_rows, told_step, told_save


if __name__ == "__main__":
    main()
