"""`python launch.py ARGS` without the seconds of its imports: forks of a process that has them.

    python -m tests.launches

It reads JSON lines. `{"argv": [...], "env": {...}, "out": FILE, "err": FILE, "shrunk": false,
"module": null}` starts one and answers with its number, and `{"poll": PID}` answers with its exit
code, or null. A shrunk one has the small networks of tests/export/networks.py; where a module is
named, it is `python -m MODULE ARGS`.
"""

import json
import os
import runpy
import subprocess
import sys
import time
import warnings
from pathlib import Path

import pytest

from tests.exits import exit_code
from tests.preload import preload

ROOT = Path(__file__).parent.parent


class Launched:
    """What of `subprocess.Popen` tests need."""

    def __init__(self, ask, folder: Path, argv, **how):
        self._ask, self.returncode = ask, None
        self._files = folder / "out", folder / "err"
        for file in self._files:
            file.touch()
        out, err = map(str, self._files)
        asked = {"argv": argv, "env": dict(os.environ), "out": out, "err": err}
        self.pid = ask(asked | how)

    def poll(self) -> int | None:
        if self.returncode is None:
            self.returncode = self._ask({"poll": self.pid})
        return self.returncode

    def communicate(self, timeout: float = 600) -> tuple[str, str]:
        """What it has printed, and its errors, once it has ended."""
        end = time.monotonic() + timeout
        while self.poll() is None:
            if time.monotonic() > end:
                self.send_signal(9)
                raise subprocess.TimeoutExpired("launch.py", timeout)
            time.sleep(0.02)
        out, err = (file.read_text(errors="replace") for file in self._files)
        return out, err

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)


class Launcher:
    """Starts them."""

    def __init__(self, folder: Path):
        self._folder, self._started, pipe = folder, 0, subprocess.PIPE
        command = [sys.executable, "-m", "tests.launches"]
        self._server = subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, text=True)

    def ask(self, what):
        print(json.dumps(what), file=self._server.stdin, flush=True)
        return json.loads(self._server.stdout.readline())

    def start(self, *argv: str, shrunk: bool = False, module: str | None = None) -> Launched:
        self._started += 1
        here = self._folder / f"start{self._started}"
        here.mkdir()
        return Launched(self.ask, here, argv, shrunk=shrunk, module=module)

    def close(self) -> None:
        self._server.stdin.close()
        self._server.wait()
        self._server.stdout.close()


def main() -> None:
    preload()
    for line in sys.stdin:
        asked = json.loads(line)
        if "poll" in asked:
            done, status = os.waitpid(asked["poll"], os.WNOHANG)
            print(json.dumps(os.waitstatus_to_exitcode(status) if done else None), flush=True)
            continue
        with warnings.catch_warnings(action="ignore"):  # JAX warns of forks; it has not started
            pid = os.fork()
        if pid:
            print(pid, flush=True)
        else:
            child(**asked)


def child(argv, env, out, err, shrunk, module) -> None:
    """Is `launch.py` or the module, and leaves with its exit code."""
    for stream, file in ((sys.stdin, os.devnull), (sys.stdout, out), (sys.stderr, err)):
        os.dup2(os.open(file, os.O_RDWR), stream.fileno())
    os.environ.clear()
    os.environ.update(env)
    if shrunk:
        from tests.export.networks import shrink

        shrink(pytest.MonkeyPatch())
    sys.argv, sys.path[0] = [module or "launch.py", *argv], str(ROOT)
    sys.orig_argv = [sys.executable, *["-m"] * bool(module), *sys.argv]
    run = runpy.run_module if module else runpy.run_path
    os._exit(exit_code(lambda: run(sys.argv[0], run_name="__main__")))


if __name__ == "__main__":
    main()
