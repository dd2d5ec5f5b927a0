"""Runs of several processes on this machine, over gloo."""

import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from agejax import config as configs
from agejax.distributed.watchdog import LOST
from tests.conftest import ROOT

# What little is compiled here is kept for the next process.
_KEEP = "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES"


class Rank:
    """One process of a run."""

    def __init__(self, ranks, pid, said, trace):
        self._ranks, self.pid, self._said, self._trace = ranks, pid, said, trace

    def said(self) -> str:
        """What it has printed."""
        return self._said.read_text() if self._said.exists() else ""

    def errors(self) -> list[str]:
        """Those lines of it that begin with "error"."""
        return [line for line in self.said().splitlines() if line.startswith("error")]

    def trace(self) -> list[str]:
        """The lines of its trace."""
        return self._trace.read_text().splitlines() if self._trace.exists() else []

    def rows(self) -> dict[tuple[int, int], list[int]]:
        """{(step, where in the batch): the rows that it was to read}."""
        told = (line.split(" ", 3)[1:] for line in self.trace() if line.startswith("rows"))
        return {(int(step), int(first)): json.loads(rows) for step, first, rows in told}

    def count(self, word: str) -> int:
        """How often its trace says a word."""
        return self.trace().count(word)

    def end(self) -> int:
        """Its exit code, once it is over."""
        return int(self._ranks.ask({"wait": self.pid}))


class Ranks:
    """Starts runs of a config."""

    def __init__(self, folder: Path):
        command = [sys.executable, "-m", "tests.distributed.ranks"]
        pipe = subprocess.PIPE
        environment = {"AGEJAX_ONEDNN": "0"} | dict.fromkeys(_KEEP, "0")
        environment["JAX_DISABLE_MOST_OPTIMIZATIONS"] = "1"  # programs compile in half the time
        self._server = subprocess.Popen(
            command, cwd=ROOT, stdin=pipe, stdout=pipe, text=True, env=os.environ | environment
        )
        self._folder, self._started = folder, 0

    def ask(self, what) -> str:
        print(json.dumps(what), file=self._server.stdin, flush=True)
        return self._server.stdout.readline()

    def start(
        self,
        workdir: Path,
        *changes: str,
        config,
        n: int,
        devices: int = 1,
        hit=None,
        of_one=(0,),
        lost: int = LOST,
    ) -> list[Rank]:
        """`n` processes of `devices` devices each that train `config` together.

        Changes are flags of launch.py, such as "--config.train.steps=4". `hit` is (process, step,
        signal, seconds): what one is sent so long after it has called that step. After `lost`
        seconds of silence a process is taken for lost. `of_one` is a process, and changes for it
        alone.
        """
        self._started += 1
        here = self._folder / f"start{self._started}"
        here.mkdir()
        file = here / "config.py"
        (here / "config.json").write_text(configs.to_json(config))
        file.write_text(
            "from agejax import config as configs\n"
            f"def get_config(): return configs.from_json(open({str(here / 'config.json')!r})"
            ".read(), 'config', trust={'tests'})\n"
        )
        argv = ["launch.py", f"--config={file}", f"--workdir={workdir}", *changes]
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        ranks = []
        for i in range(n):
            place = [f"--coordinator=127.0.0.1:{port}", f"--processes={n}", f"--process={i}"]
            said, trace = here / f"{i}.said", here / f"{i}.trace"
            place += of_one[1:] if i == of_one[0] else ()
            asked = {"argv": argv + place, "devices": devices, "lost": lost}
            asked |= {"said": str(said), "trace": str(trace)}
            pid = int(self.ask(asked | {"hit": hit[1:] if hit and hit[0] == i else None}))
            ranks.append(Rank(self, pid, said, trace))
        return ranks

    def run(self, workdir: Path, *changes: str, **how) -> list[Rank]:
        """As `start`, once all have ended well."""
        ranks = self.start(workdir, *changes, **how)
        codes = [rank.end() for rank in ranks]
        assert not any(codes), "\n".join(
            f"{c}: {r.said()}" for c, r in zip(codes, ranks, strict=True)
        )
        return ranks

    def close(self) -> None:
        self._server.stdin.close()
        self._server.wait()
        self._server.stdout.close()


@pytest.fixture(scope="session")
def ranks(tmp_path_factory):
    started = Ranks(tmp_path_factory.mktemp("ranks"))
    yield started
    started.close()


@pytest.fixture
def small(tiny):
    """A config of few and quick steps, with all that has to agree between processes."""
    tiny.data.size = 8
    with tiny.unlocked():
        tiny.model.args = {"widths": (8,), "depths": (1,), "dropout": 0.2}
    tiny.train.update(steps=12, eval_every=6, log_every=3)
    return tiny


def metrics(workdir: Path) -> list[dict]:
    """The lines of `metrics.jsonl` without what clocks say."""
    lines = map(json.loads, (workdir / "metrics.jsonl").read_text().splitlines())
    timed = re.compile("images_per_second|input_wait")
    return [{key: v for key, v in line.items() if not timed.match(key)} for line in lines]
