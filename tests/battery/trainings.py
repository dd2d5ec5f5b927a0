"""The driver of tests/battery/forks.py."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from agejax import config as configs
from tests.conftest import ROOT

STEPS, EVERY = 24, 4  # of a run, and between its saves


class Trainings:
    """Starts trainings of one config, one at a time."""

    def __init__(self, config, folder: Path, **env: str):
        file = folder / "config.json"
        file.write_text(configs.to_json(config))
        command = [sys.executable, "-m", "tests.battery.forks", str(file)]
        pipe = subprocess.PIPE
        keep_all = {"JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0"}  # the next start is quick
        quick = {"JAX_DISABLE_MOST_OPTIMIZATIONS": "1"}  # to compile
        env = os.environ | {"XLA_FLAGS": ""} | keep_all | quick | env
        self._server = subprocess.Popen(
            command, cwd=ROOT, stdin=pipe, stdout=pipe, text=True, env=env
        )

    def start(self, workdir: Path, **how) -> None:
        """`how` is `fault` and `clock` of forks.py."""
        self._workdir = workdir
        self._beside("trace").unlink(missing_ok=True)
        print(json.dumps({"workdir": str(workdir), **how}), file=self._server.stdin, flush=True)
        self._pid = int(self._answer("pid"))

    def run(self, workdir: Path, **how) -> int:
        """Trains until it ends, and gives the exit code."""
        self.start(workdir, **how)
        return self.end()

    def seen(self) -> bytes:
        """The trace of the training so far."""
        with contextlib.suppress(FileNotFoundError):
            return self._beside("trace").read_bytes()
        return b""

    def said(self) -> str:
        """What the training has printed."""
        return self._beside("said").read_text()

    def writes(self) -> int:
        """How often it wrote below its folder."""
        return int(self._beside("writes").read_text())

    def wait_for(self, reached) -> None:
        """Until what was seen of the training fulfils `reached`, or it is over."""
        until = time.monotonic() + 120
        while not reached(self.seen()):
            if not os.path.exists(f"/proc/{self._pid}/fd/1") or time.monotonic() > until:
                break
            time.sleep(0.002)

    def end(self, number: signal.Signals | None = None) -> int:
        """Sends a signal, and gives the exit code."""
        if number is not None:
            with contextlib.suppress(ProcessLookupError):  # it may just have ended
                os.kill(self._pid, number)
        return int(self._answer("ended"))

    def close(self) -> None:
        self._server.stdin.close()
        self._server.wait()
        self._server.stdout.close()

    def _answer(self, word: str) -> str:
        said, _, value = self._server.stdout.readline().partition(" ")
        assert said == word
        return value

    def _beside(self, what: str) -> Path:
        return self._workdir.with_name(f"{self._workdir.name}.{what}")


@contextlib.contextmanager
def trainings(archives, built, folder: Path, **env: str):
    """The driver, and the folder of an unbroken run of the same config."""
    from tests.tiny import get_config

    config = get_config()
    config.data.update(manual_dir=str(archives), data_dir=str(built), size=8)
    with config.unlocked():
        config.model.args = {"widths": (4,), "depths": (1,), "dropout": 0.2}
    config.train.update(steps=STEPS, eval_every=EVERY, log_every=3)
    driver = Trainings(config, folder, **env)
    try:
        assert driver.run(folder / "unbroken") == 0, driver.said()
        yield driver, folder / "unbroken"
    finally:
        driver.close()
