"""Executes the runs of a sweep, one after another or in parallel, each in its own process.

A separate process frees all its memory, and a failure does not affect the other runs. The same
command resumes an interrupted sweep: finished runs are skipped, and unfinished ones are resumed.
"""

import contextlib
import ctypes
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

from agejax import config as configs
from agejax.checkpoints.run_dir import other_than_evaluated
from agejax.config import validation
from agejax.config.sweeps import folder_of
from agejax.errors import UserError
from agejax.utils.files import no_link
from agejax.utils.program import ended_in_order

_PARENT = "AGEJAX_SWEEP"  # environment variable with the process id of the sweep
_PR_SET_PDEATHSIG = 1  # of Linux's prctl.h


def run_sweep(
    runs: Mapping[str, ConfigDict], folder: Path, command: Sequence[str], jobs: int = 1
) -> int:
    """Executes the runs that are not finished yet and prints a line for each.

    Args:
      runs: {name: config}; the name is also the run's folder below `folder`.
      folder: the sweep's folder.
      command: executes a run when `--run=NAME` is appended; its output is written to
        FOLDER/NAME/output.txt.
      jobs: number of parallel runs.

    Returns:
      The exit code: 0, or 1 if a run failed. The other runs are executed nevertheless.

    Raises:
      UserError: settings are invalid, or a folder contains another run; no run is started.
    """
    if jobs < 1:
        raise UserError(f"--jobs is {jobs}; it must be at least 1")
    for name, config in runs.items():
        try:
            validation.check(config)
        except UserError as error:
            raise UserError(f"run {name}: {error}") from error
    done = [name for name, config in runs.items() if is_done(config, folder_of(folder, name))]
    waiting = [name for name in runs if name not in done]
    print(f"{folder}: {len(runs)} runs, {len(done)} of them done before", flush=True)
    for name in done:
        print(f"  {_figures(folder_of(folder, name), runs[name].eval.split)}  {name}", flush=True)
    failed = _do(waiting, runs, folder, command, jobs)
    if not any(config.data.folds for config in runs.values()):
        print(f"agejax compare {folder} shows which differences are significant")
    if failed:
        print(f"{len(failed)} failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


def is_done(config: ConfigDict, workdir: Path) -> bool:
    """Whether a run is trained to its last step and evaluated.

    Raises:
      UserError: the folder holds a run of another config.
    """
    file = workdir / "config.json"
    if not file.is_file():
        return False
    theirs = configs.from_json(_text(file), str(file), configs.modules_of(config))
    if changes := list(configs.differences(config, theirs)):
        raise UserError(
            f"{workdir} contains another run: {'; '.join(changes)}; set another --workdir"
        )
    evaluation = workdir / "eval" / config.eval.split
    left = [evaluation.with_suffix(".json"), evaluation.with_suffix(".npz")]
    left.append(workdir / "checkpoints" / str(config.train.steps))
    # Evaluations during training, or in another mode, are not of the finished run.
    if config.mode != "train" or not all(path.exists() for path in left):
        return False
    figures = _read(left[0])
    of = figures.get("step"), figures.get("checkpoint")
    return bool(figures) and other_than_evaluated(workdir, *of) is None


def end_with_parent() -> None:
    """Makes a run stop, as by Ctrl-C, when the sweep that started it is killed. Linux only."""
    parent = os.environ.pop(_PARENT, None)
    if parent is None or sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != int(parent):  # the sweep was killed before the call above
        os.kill(os.getpid(), signal.SIGTERM)


def _do(
    waiting: list[str],
    runs: Mapping[str, ConfigDict],
    folder: Path,
    command: Sequence[str],
    jobs: int,
) -> list[str]:
    """Executes the runs and returns the names of those that failed."""
    waiting, failed = list(waiting), []
    at_work: dict[str, tuple[subprocess.Popen, float]] = {}
    count, before = len(runs), len(runs) - len(waiting)
    with ended_in_order(), _ending(at_work):
        while waiting or at_work:
            while waiting and len(at_work) < jobs:
                name = waiting.pop(0)
                at_work[name] = _start(command, folder, name, jobs), time.monotonic()
            for name, (process, start) in list(at_work.items()):
                if process.poll() is None:
                    continue
                del at_work[name]
                before += 1
                if process.returncode:
                    failed.append(name)
                    result = f"failed: {_last_line(folder_of(folder, name))}"
                else:
                    result = _figures(folder_of(folder, name), runs[name].eval.split)
                minutes = (time.monotonic() - start) / 60
                print(f"  {result}  {name}  ({before} of {count}, {minutes:.1f} min)", flush=True)
            time.sleep(0.1)
    return failed


@contextlib.contextmanager
def _ending(at_work: Mapping[str, tuple[subprocess.Popen, float]]) -> Iterator[None]:
    """Stops the processes that are still running at the end of the context."""
    try:
        yield
    finally:
        for process, _ in at_work.values():
            process.terminate()
        for process, _ in at_work.values():
            process.wait()


def _start(command: Sequence[str], folder: Path, name: str, jobs: int) -> subprocess.Popen:
    workdir = folder_of(folder, name)
    workdir.mkdir(parents=True, exist_ok=True)
    output_file = workdir / "output.txt"
    share = {"XLA_PYTHON_CLIENT_MEM_FRACTION": f"{0.9 / jobs:.2f}"} if jobs > 1 else {}
    environment = share | os.environ | {_PARENT: str(os.getpid()), "TQDM_DISABLE": "1"}
    with open(output_file, "a", encoding="utf-8", opener=no_link) as output:
        return subprocess.Popen(
            [*command, f"--run={name}"],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,  # Ctrl-C reaches only this process, which then stops the runs
        )


def _figures(workdir: Path, split: str) -> str:
    file = workdir / "eval" / f"{split}.json"
    figures = _read(file)
    try:
        age, gender = figures["age"], figures["gender"]
        interval = age.get("mae_interval")
        within = f" ({interval[0]:.2f} to {interval[1]:.2f})" if interval else ""
        mae, accuracy = age["mae"]["median"], gender["accuracy"]
        return f"{split} MAE {mae:.2f} years{within}, gender {accuracy:.1%}"
    except (LookupError, TypeError, ValueError, AttributeError):
        return f"{file} is not a valid evaluation"


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise UserError(f"{file}: not a config ({error})") from error


def _read(file: Path) -> dict[str, Any]:
    """An evaluation's figures; {} if the file is damaged."""
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _last_line(workdir: Path) -> str:
    file = workdir / "output.txt"
    lines = file.read_text(encoding="utf-8", errors="replace").split("\n")
    last = next((line for line in reversed(lines) if line.strip()), "no output")
    return f"{last.removeprefix('error: ')[:300]} ({file})"
