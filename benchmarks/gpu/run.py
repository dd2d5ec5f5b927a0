"""Runs the stages one after the other, each in a process group of its own and for a limited time.

A stage that fails or hangs costs only itself: its group is killed at its limit, and what it has
written by then stays.
"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from figures import SMOKE, Figures

TOTAL = 465  # seconds; the wheels take some of the eight minutes
# The most important first: the seconds that each may take. Smoke runs take as long as they take.
STAGES = {
    "determinism": 70,
    "chosen_tests": 60,
    "speed": 180,
    "tutorial": 40,
    "pixels": 40,
    "faces": 90,
    "recipes": 400,  # what remains
}


def main(out: Path, names: list[str]) -> int:
    """Runs `names`, or all stages; 1 if one of them failed."""
    os.environ["GPU_OUT"] = str(out)
    figures, start, failed = Figures("run"), time.monotonic(), []
    if unknown := set(names) - set(STAGES):
        sys.exit(f"error: there is no stage {', '.join(sorted(unknown))}; have {', '.join(STAGES)}")
    for name in names or STAGES:
        left = TOTAL - (time.monotonic() - start)
        limit = 600 if SMOKE else min(STAGES[name], left)
        if limit < 10:
            figures.line(f"{name}: not started, no time is left")
            continue
        began = time.monotonic()
        code = run_stage(name, limit, out / "log.txt")
        ended = "ok" if code == 0 else "stopped at its limit" if code is None else f"exit {code}"
        figures.write(name, {"ended": ended, "seconds": round(time.monotonic() - began, 1)})
        figures.line(f"{name}: {ended} after {time.monotonic() - began:.0f} s")
        failed += [name] * (code is not None and code != 0)
    return int(bool(failed))


def run_stage(name: str, limit: float, log: Path) -> int | None:
    """The exit code of a stage, None if it reached its limit; nothing of it is left running."""
    file = Path(__file__).with_name(f"{name}.py")
    deadline = str(time.time() + limit)
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, str(file)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, "GPU_DEADLINE": deadline},
            start_new_session=True,
        )
        try:
            return process.wait(limit)
        except subprocess.TimeoutExpired:
            return None
        finally:
            if process.returncode is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
