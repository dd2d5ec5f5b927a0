"""The benchmarks of error against faces and minutes, on small things."""

import importlib
import json
import sys

import numpy as np
import pytest

from tests.conftest import ROOT


@pytest.fixture
def bench(monkeypatch):
    """Runs a benchmark's `main`; returns the module."""
    monkeypatch.syspath_prepend(ROOT / "benchmarks")

    def run(name, *argv):
        module = importlib.import_module(name)
        monkeypatch.setattr(sys, "argv", [f"{name}.py", *map(str, argv)])
        module.main()
        return module

    return run


@pytest.fixture
def untrained(monkeypatch, tmp_path):
    """Replaces the training of a learning curve by predictions that are off by a tenth of N."""
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    module = importlib.import_module("learning_curve")
    trained = []

    def train(config, folder, **_):
        faces = module.open_split(config, "validation")
        n = config.data.train_faces
        trained.append((config.model.pretrained, n, config.train.steps))
        ages = np.eye(101, dtype=np.float32)[np.minimum(faces.labels["age"] + n // 10, 100)]
        (folder / "eval").mkdir(parents=True)
        np.savez(
            folder / "eval" / "validation.npz",
            path=faces.path,
            person=faces.person,
            age_label=faces.labels["age"],
            age_probabilities=ages,
            gender_label=faces.labels["gender"],
            gender_probabilities=np.eye(2, dtype=np.float32)[faces.labels["gender"]],
        )
        return {"versions": {"agejax": "0", "jax": "0"}}

    monkeypatch.setattr(module, "train", train)
    monkeypatch.setattr(module.os, "sched_setaffinity", lambda *_: None, raising=False)
    return trained


def test_a_learning_curve_goes_on_cell_by_cell(bench, untrained, archives, built, tmp_path, capsys):
    where = ["--manual_dir", archives, "--data_dir", built, "--out", tmp_path / "runs"]
    where += ["--json", tmp_path / "cells.json", "--plot", tmp_path / "plot.svg"]
    bench("learning_curve", *where, "--starts", "nothing", "--faces", 10, 20)
    assert [n for _, n, _ in untrained] == [10, 20]
    bench("learning_curve", *where, "--starts", "faces", "nothing", "--faces", 20, 10, 30)
    assert untrained[2:] == [
        ("agejax.pretrained:faces", 10, 9),
        ("agejax.pretrained:faces", 20, 13),
        ("agejax.pretrained:faces", 30, 16),
        (None, 30, 16),
    ]
    cells = json.loads((tmp_path / "cells.json").read_text())
    assert len(cells) == 6
    assert all(0 < cell["mae"] <= cell["faces"] // 10 for cell in cells)
    assert all(cell["gender"] == 1 and len(cell["mae_interval"]) == 2 for cell in cells)
    assert len({cell["n"] for cell in cells}) == 1
    assert {cell["weights"] is None for cell in cells if cell["start"] == "nothing"} == {True}
    assert "| faces | faces | frozen | dlib |" in capsys.readouterr().out
    assert (tmp_path / "plot.svg").read_text().startswith("<svg")


def test_times_to_errors_are_read_while_programs_run(bench, monkeypatch, tmp_path, capsys):
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    module = importlib.import_module("time_to_error")
    started = []

    def command(program, seed, out, args):
        started.append(program)
        lines = {
            "agejax": "step 80: validation MAE 4.90 years",
            "torch": "epoch 1: validation MAE 5.00,",
        }
        return [sys.executable, "-c", f"print('noise'); print({lines[program]!r})"]

    monkeypatch.setattr(module, "command", command)
    monkeypatch.setattr(module, "imdb_wiki", lambda *_, **__: None)
    monkeypatch.setattr(module.os, "sched_getaffinity", lambda _: {0, 1}, raising=False)
    monkeypatch.setattr(module.os, "sched_setaffinity", lambda *_: None, raising=False)
    where = ["--manual_dir", tmp_path, "--out", tmp_path / "runs"]
    where += ["--json", tmp_path / "rounds.json", "--plot", tmp_path / "plot.svg"]
    bench("time_to_error", *where)
    bench("time_to_error", *where)
    assert sorted(started) == ["agejax", "torch"]
    [one] = json.loads((tmp_path / "rounds.json").read_text())
    assert one["curves"]["agejax"][0][1] == 4.9
    assert one["curves"]["torch"][0][1] == 5.0
    assert "torch's best: 0.0 minutes" in capsys.readouterr().out
    assert (tmp_path / "plot.svg").read_text().startswith("<svg")
    monkeypatch.setattr(module, "command", lambda *_: [sys.executable, "-c", "raise SystemExit(3)"])
    with pytest.raises(RuntimeError, match="has its output"):
        bench("time_to_error", *where, "--rounds", 2)


@pytest.mark.battery
def test_time_to_error_in_small(bench, tmp_path, capsys):
    where = ("--json", tmp_path / "rounds.json", "--plot", tmp_path / "plot.svg")
    bench("time_to_error", "--smoke", "--programs", "agejax", *where)
    assert "round 0, agejax" in capsys.readouterr().out


def test_errors_by_minutes_are_drawn_from_the_table(bench, capsys):
    module = bench("error_by_minutes")
    drawn = capsys.readouterr().out
    assert drawn.startswith("<svg")
    assert "torch, Lite0: 55 minutes, test MAE 4.76" in drawn
    assert module.minutes_of("| a | | | | | | | | 7 hours of one core | (8) |") == {"a": 420}
