"""Sweeps as they run, most of them with a stand-in for training, and one as a person starts it."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from agejax.config import from_json, sweeps, to_json
from agejax.errors import UserError
from agejax.experiments.sweep import is_done, run_sweep
from tests.conftest import ROOT
from tests.tiny import get_config

# Leaves what a finished run leaves, unless a file `fail` is there; waits for a file `go`.
STAND_IN = """
import json, os, pathlib, shutil, sys, time
folder, name = pathlib.Path(sys.argv[1]), sys.argv[2].removeprefix("--run=")
run = folder / name
run.joinpath("starts").open("a").write("+")
while not folder.joinpath("go").exists(): time.sleep(0.01)
if run.joinpath("fail").exists(): sys.exit("error: it is broken")
shutil.copy(folder / f"{name.replace('/', '-')}.json", run / "config.json")
run.joinpath("checkpoints", "30").mkdir(parents=True)
run.joinpath("eval").mkdir()
run.joinpath("eval", "test.npz").touch()
figures = {"age": {"mae": {"median": 5.0}, "mae_interval": [4, 6]}, "gender": {"accuracy": 0.9}}
run.joinpath("eval", "test.json").write_text(json.dumps(figures))
"""
# Calls run_sweep in a process that can be killed.
PARENT = """
import pathlib, sys
from agejax.config import from_json
from agejax.experiments import sweep
from agejax.utils.program import program
folder = pathlib.Path(sys.argv[1])
names = "a/seed0", "a/seed1", "b"
texts = [(folder / f"{name.replace('/', '-')}.json").read_text() for name in names]
runs = {name: from_json(text, name) for name, text in zip(names, texts)}
command = [sys.executable, "-c", sys.argv[2], str(folder)]
with program():
    sys.exit(sweep.run_sweep(runs, folder, command, jobs=1))
"""


@pytest.fixture
def runs(tmp_path):
    runs = {}
    for name, changes in [*sweeps.with_seeds([("a", {})], 2), ("b", {"train.batch_size": 32})]:
        runs[name] = sweeps._with(get_config(), changes)
        (tmp_path / f"{name.replace('/', '-')}.json").write_text(to_json(runs[name]))
    return runs


@pytest.fixture
def command(tmp_path):
    return [sys.executable, "-c", STAND_IN, str(tmp_path)]


def starts(folder):
    return {p.parent.relative_to(folder).as_posix(): p.read_text() for p in folder.rglob("starts")}


def test_a_line_for_each_run_and_none_is_done_twice(runs, command, tmp_path, capsys):
    (tmp_path / "go").touch()
    assert run_sweep(runs, tmp_path, command, jobs=2) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[0] == f"{tmp_path}: 3 runs, 0 of them done before"
    assert sorted(line.split()[-6] for line in out[1:4]) == ["a/seed0", "a/seed1", "b"]
    for i, line in enumerate(out[1:4], 1):
        assert line.startswith("  test MAE 5.00 years (4.00 to 6.00), gender 90.0%  ")
        assert f"({i} of 3, 0." in line
    assert run_sweep(runs, tmp_path, command) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[0] == f"{tmp_path}: 3 runs, 3 of them done before"
    assert starts(tmp_path) == {"a/seed0": "+", "a/seed1": "+", "b": "+"}


def test_one_that_fails_costs_no_other_and_is_done_next_time(runs, command, tmp_path, capsys):
    (tmp_path / "go").touch()
    (tmp_path / "a" / "seed1").mkdir(parents=True)
    (tmp_path / "a" / "seed1" / "fail").touch()
    assert run_sweep(runs, tmp_path, command) == 1
    out, err = capsys.readouterr()
    assert f"  failed: it is broken ({tmp_path}/a/seed1/output.txt)  a/seed1  (2 of 3, " in out
    assert err == "1 failed: a/seed1\n"
    (tmp_path / "a" / "seed1" / "fail").unlink()
    assert run_sweep(runs, tmp_path, command) == 0
    assert "2 of them done before" in capsys.readouterr().out
    assert starts(tmp_path) == {"a/seed0": "+", "a/seed1": "++", "b": "+"}


@pytest.mark.parametrize("kind", [signal.SIGTERM, signal.SIGINT])
def test_stopped_it_takes_its_runs_with_it_and_goes_on(runs, command, tmp_path, kind):
    parent = [sys.executable, "-c", PARENT, str(tmp_path), STAND_IN]
    process = subprocess.Popen(parent, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    wait_for(tmp_path / "a" / "seed0" / "starts")
    process.send_signal(kind)
    process.communicate()
    assert process.returncode == 128 + kind
    (tmp_path / "go").touch()
    assert not at_work(tmp_path)
    assert run_sweep(runs, tmp_path, command) == 0
    assert starts(tmp_path) == {"a/seed0": "++", "a/seed1": "+", "b": "+"}


def wait_for(path):
    """Until a process has written something there."""
    end = time.monotonic() + 120
    while not (path.exists() and path.read_text()) and time.monotonic() < end:
        time.sleep(0.01)
    assert path.exists()


def at_work(folder):
    """The processes that have the folder in their command."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline") as file:
                command = file.read().split("\0")
        except OSError:
            continue
        found += [command] if str(folder) in command else []
    return found


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux to be told of its parent's end")
def test_a_run_ends_with_a_sweep_that_is_killed(tmp_path):
    child = (
        "import sys, time; from agejax.experiments.sweep import end_with_parent; end_with_parent()"
    )
    child += "; open(sys.argv[1], 'w').write('up'); time.sleep(600)"
    parent = "import os, subprocess, sys; env = os.environ | {'AGEJAX_SWEEP': str(os.getpid())}"
    parent += "; subprocess.run([sys.executable, '-c', *sys.argv[1:]], env=env)"
    process = subprocess.Popen(
        [sys.executable, "-c", parent, child, str(tmp_path / "up")], cwd=ROOT
    )
    wait_for(tmp_path / "up")
    process.kill()
    process.wait()
    end = time.monotonic() + 60
    while at_work(tmp_path / "up") and time.monotonic() < end:
        time.sleep(0.01)
    assert not at_work(tmp_path / "up")


def test_as_a_person_starts_it(launch, archives, built, tmp_path, monkeypatch):
    monkeypatch.setenv("XLA_FLAGS", "--xla_backend_optimization_level=0")  # no figure counts
    data = (f"--config.data.manual_dir={archives}", f"--config.data.data_dir={built}")

    def sweep(*args):
        process = launch(f"--workdir={tmp_path}", *data, *args, config="tests/tiny_sweep.py")
        return *process.communicate(), process.returncode

    assert sweep("--list") == ("odd\nlearning_rate=0.001/seed0\n", "", 0)
    out, err, code = sweep()
    assert code == 0, (out, err)
    first, second = (tmp_path / name for name in ("odd", "learning_rate=0.001/seed0"))
    lines = out.splitlines()
    assert lines[0] == f"{tmp_path}: 2 runs, 0 of them done before"
    assert "test MAE " in lines[1]
    assert "test: " in (first / "output.txt").read_text()
    configs = [from_json((run / "config.json").read_text(), "here") for run in (first, second)]
    assert [c.optim.learning_rate for c in configs] == [3e-3, 1e-3]
    assert configs[0].model.args.to_dict() == {"widths": [8, 8], "depths": [1, 1]}
    assert json.loads((second / "eval" / "test.json").read_text())["n"] > 0
    assert is_done(configs[0], first)


def test_done_is_what_is_trained_to_its_end_and_evaluated(run, tiny, tmp_path):
    assert is_done(tiny, run)
    assert not is_done(tiny, tmp_path)
    tiny.train.steps = 60
    assert not is_done(tiny, run)
    tiny.train.steps = 30
    tiny.eval.split = "train"
    assert not is_done(tiny, run)
    tiny.seed = 5
    with pytest.raises(UserError, match=r"contains another run: config\.seed was 0"):
        is_done(tiny, run)


def test_what_cannot_be_done_is_told_before_anything_is(runs, command, tmp_path):
    with pytest.raises(UserError, match="--jobs is 0"):
        run_sweep(runs, tmp_path, command, jobs=0)
    runs["b"].train.batch_size = 0
    with pytest.raises(UserError, match=r"run b: config\.train\.batch_size is 0"):
        run_sweep(runs, tmp_path, command)
    assert starts(tmp_path) == {}


@pytest.mark.parametrize(
    ("config", "said"),
    [("tests/tiny_sweep.py", "no run 'nobody'; it has odd,"), ("tests/tiny.py", "no get_sweep()")],
)
def test_a_run_that_there_is_not_is_one_line(launch, tmp_path, config, said):
    process = launch(f"--workdir={tmp_path / 'x'}", "--run=nobody", config=config)
    out, err = process.communicate()
    assert (process.returncode, out, err.count("\n")) == (2, "", 1), err
    assert said in err
    assert not (tmp_path / "x").exists()
