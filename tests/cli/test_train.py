"""`agejax train` and `agejax evaluate`: one door with `launch.py`."""

import sys

import pytest

import agejax.cli
from agejax.cli import launch
from agejax.errors import Stopped
from tests.conftest import ROOT


@pytest.fixture
def called(monkeypatch, capsys):
    """Calls the command with a stand-in for training: exit code, what began, stdout, stderr."""

    def call(*args):
        begun = []

        def begin(kind):
            return lambda config, workdir, **_: begun.append((kind, config, str(workdir))) or {}

        monkeypatch.setattr(launch, "train", begin("train"))
        monkeypatch.setattr(launch, "evaluate", begin("evaluate"))
        monkeypatch.setattr(launch, "of_the_run", lambda run, changes, trust, instead: instead)
        monkeypatch.setattr(launch, "table", lambda _: "figures")
        monkeypatch.setattr(launch, "picture_of_run", lambda *_, **__: "picture")
        monkeypatch.setattr(sys, "argv", ["agejax", *map(str, args)])
        with pytest.raises(SystemExit) as left:
            agejax.cli.main()
        return left.value.code or 0, begun, *capsys.readouterr()

    return call


TINY = ROOT / "tests" / "tiny.py"


def test_a_config_file_is_trained(called, tmp_path):
    before = list(sys.path)
    code, begun, out, err = called(
        "train", "--config", TINY, "--config.train.steps=7", f"--workdir={tmp_path}"
    )
    [(kind, config, workdir)] = begun
    assert (code, kind, config.train.steps, workdir) == (0, "train", 7, str(tmp_path))
    assert (out, err) == ("figures\npicture\n", "")
    assert sys.path == before


def test_a_config_file_is_evaluated(called):
    code, [(kind, config, workdir)], *_ = called("evaluate", f"--config={TINY}")
    assert (code, kind, config.mode, workdir) == (0, "evaluate", "eval", "runs/tiny")


def test_options_are_told_and_wrong_ones_are_a_line(called):
    assert "agejax train --config FILE" in called("train", "--help")[2]
    code, begun, _, err = called("train", "--config", TINY, "--wrkdir=x")
    assert (code, begun, err.count("\n")) == (2, [], 1)
    assert "--config FILE" in called("train")[3]


def test_what_a_sweep_starts_works_without_a_checkout(called, monkeypatch, tmp_path):
    started = []
    monkeypatch.setattr(launch, "run_sweep", lambda *args: started.append(args) or 1)
    monkeypatch.setattr(launch.jax.config, "update", lambda *_: None)
    sweep = ROOT / "tests" / "tiny_sweep.py"
    assert called("train", "--config", sweep, f"--workdir={tmp_path}")[0] == 1
    [(_, folder, command, jobs)] = started
    assert command[:5] == [sys.executable, "-P", "-m", "agejax", "train"]
    assert command[5:] == ["--config", str(sweep), f"--workdir={tmp_path}"]
    assert (folder, jobs) == (tmp_path, 1)


def test_a_run_is_evaluated_with_settings(called, monkeypatch):
    from agejax.checkpoints import run_dir
    from agejax.evaluation import evaluate, table
    from agejax.reports import contact_sheet

    given = []
    monkeypatch.setattr(run_dir, "of_the_run", lambda *args: given.append(args))
    monkeypatch.setattr(evaluate, "evaluate", lambda *_: {})
    monkeypatch.setattr(table, "table", lambda _: "figures")
    monkeypatch.setattr(contact_sheet, "picture_of_run", lambda *_: "picture")
    args = ("--split", "train", "--config.eval.batch_size=16", "--set", "data.data_dir=here")
    code, _, out, _ = called("evaluate", "runs/x", *args)
    assert (code, out) == (0, "figures\npicture\n")
    [(run, changes)] = given
    assert str(run) == "runs/x"
    assert changes == {
        "eval.split": "train",
        "eval.checkpoint": "best",
        "eval.batch_size": 16,
        "data.data_dir": "here",
    }


def test_a_run_that_was_stopped_exits_with_its_code(called, monkeypatch, tmp_path):
    def stop(*_, **__):
        raise Stopped("SIGTERM: saved; run the same command again to go on", 143)

    monkeypatch.setattr(launch, "joined", stop)
    code, _, _, err = called("train", "--config", TINY, f"--workdir={tmp_path}")
    assert (code, err) == (143, "SIGTERM: saved; run the same command again to go on\n")
