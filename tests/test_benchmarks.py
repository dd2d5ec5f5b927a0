import importlib
import json
import subprocess
import sys

import jax
import numpy as np
import pytest

from agejax.auditing import head
from tests.conftest import ROOT


@pytest.mark.battery
@pytest.mark.parametrize(
    ("bench", "network", "lines"),
    [
        (
            "checkpoint.py",
            ("--trunk", "agejax.models.cnn:SmallCNN"),
            ["save and fsync", "save", "fsync alone", "restore"],
        ),
        ("background_save.py", ("--network", "small_cnn"), ["held", "in all"]),
    ],
)
def test_the_benches_of_saves_run_for_a_small_network(tmp_path, bench, network, lines):
    command = [sys.executable, f"benchmarks/{bench}", "--rounds", "1", *network]
    command += ["--folder", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    _, _, *told = done.stdout.splitlines()
    assert [line.partition("  ")[0].strip() for line in told] == lines
    assert not list(tmp_path.iterdir())


def test_the_mean_of_kept_predictions_is_another_side_to_compare(tmp_path):
    two = [ROOT / f"benchmarks/results/torch-{seed}.npz" for seed in (0, 1)]
    command = [sys.executable, "benchmarks/averaged.py", *two, "-o", tmp_path / "mean.npz"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    a, b, mean = map(np.load, (*two, tmp_path / "mean.npz"))
    for task in ("age_probabilities", "gender_probabilities"):
        expected = (a[task].astype(np.float32) + b[task]) / 2
        np.testing.assert_allclose(mean[task], expected, rtol=1e-3)
    assert (mean["age_label"] == a["age_label"]).all()


def short_fits(monkeypatch):
    """Networks of an audit are fitted in few steps, by a program of their own."""
    fitted = head._fitted.__wrapped__
    monkeypatch.setattr(head, "_FEWEST_STEPS", 10)
    monkeypatch.setattr(head, "_EPOCHS", 1)
    monkeypatch.setattr(head, "_fitted", jax.jit(lambda *args: fitted(*args)))


def test_the_bench_of_audits_runs_on_painted_faces(
    archives, built, run, tmp_path, monkeypatch, capsys
):
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    bench = importlib.import_module("audit")
    short_fits(monkeypatch)
    args = ("--manual_dir", archives, "--data_dir", built, "--checkpoint", run, "--seeds", 1)
    monkeypatch.setattr(sys, "argv", ["audit.py", *map(str, args), "--out", str(tmp_path / "o")])
    bench.main()
    [rows] = json.loads((tmp_path / "o").read_text())
    assert {f"{name}: audit" for name in bench.PLANTS} <= rows.keys()
    assert "won back" in capsys.readouterr().out


def test_the_table_of_ways_marks_what_differs_from_the_plain_loss(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    bench = importlib.import_module("noise")
    rng = np.random.default_rng(0)
    errors = lambda mean: {
        bench.PLAIN: rng.gamma(4, mean / 4, 400),
        "better": rng.gamma(4, mean / 8, 400),
        "the same": rng.gamma(4, mean / 4, 400),
    }
    person = np.arange(400) // 2
    figures = {
        str(rate): {
            "estimated": [0.1, 0.2],
            "ways": bench.summary([errors(5.0), errors(5.0)], person),
        }
        for rate in (0.0, 0.2)
    }
    head, _, plain, better, same, estimated = bench.table(figures)
    assert head == "| trained with | 0% wrong | 20% wrong |"
    assert (plain.count("*"), better.count("*"), same.count("*")) == (0, 2, 0)
    assert "10.0% to 20.0%" in estimated
    of = figures["0.2"]["ways"]["better"]
    assert of["interval"][0] < of["mae"] < of["interval"][1]
    assert of["difference"] == pytest.approx(of["mae"] - figures["0.2"]["ways"][bench.PLAIN]["mae"])
