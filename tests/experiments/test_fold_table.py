"""The table of the folds of a cross-validation, and the command that trains them."""

import json
import sys
import time

import numpy as np
import pytest
from scipy import stats

from agejax.config import from_file, sweeps, to_json
from agejax.errors import UserError
from agejax.experiments.compare import compare
from agejax.experiments.folds import fold_figures, fold_table, print_folds
from agejax.experiments.sweep import run_sweep
from tests.battery.counts import counts
from tests.commands import agejax_command
from tests.conftest import ROOT
from tests.experiments.test_compare import arrays
from tests.experiments.test_sweep import at_work
from tests.tiny import get_config

PERSON = np.array([f"p{i // 4}" for i in range(400)])


@pytest.fixture
def folds(tmp_path):
    """Four folds as evaluations leave them, of unequal size; each errs by its number."""
    for i, rows in enumerate((slice(0, 200), slice(200, 300), slice(300, 360), slice(360, 400))):
        of = {name: column[rows] for name, column in arrays(i, seed=i).items()}
        run = tmp_path / f"fold{i}"
        (run / "eval").mkdir(parents=True)
        np.savez(run / "eval" / "test.npz", **of, person=PERSON[rows])
        data = {"data": {"folds": 4, "test_folds": [i]}}
        (run / "config.json").write_text(json.dumps(data))
    return tmp_path


def test_the_figures_are_those_of_the_formulas(folds):
    runs = {f"fold{i}": folds / f"fold{i}" for i in range(4)}
    figures = fold_figures(runs)
    maes = np.array([of["mae"] for of in figures["folds"].values()])
    np.testing.assert_allclose(maes, range(4), atol=0.1)  # ages of 100 are not exceeded
    over = figures["over_folds"]
    assert over["mae"] == pytest.approx(maes.mean())
    assert over["mae_deviation"] == pytest.approx(maes.std(ddof=1))
    expected = stats.t.interval(0.95, 3, maes.mean(), stats.sem(maes))
    assert over["mae_interval"] == pytest.approx(expected)
    sizes = np.array([of["n"] for of in figures["folds"].values()])
    assert sizes.tolist() == [200, 100, 60, 40]
    assert figures["over_faces"]["mae"] == pytest.approx((maes * sizes).sum() / 400)
    low, high = figures["over_faces"]["mae_interval"]
    assert low < figures["over_faces"]["mae"] < high
    assert (figures["n"], figures["persons"]) == (400, 100)
    assert figures["over_faces"]["cs5"] == 1


def test_the_command_prints_one_table(folds, capsys, monkeypatch):
    code, out, err = agejax_command(capsys, monkeypatch, "folds", folds)
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == f"{folds}, test: 400 faces of 100 persons in 4 folds"
    names = ["fold0", "fold1", "fold2", "fold3", "mean", "all faces"]
    assert [line[:12].strip() for line in lines[3:9]] == names
    assert max(map(len, lines[2:9])) <= 100
    figures = json.loads(agejax_command(capsys, monkeypatch, "folds", folds, "--json")[1])
    assert figures["folds"].keys() == set(names[:4])


def test_ways_of_training_in_folds_are_compared_on_all_faces(folds, tmp_path):
    whole = arrays(6)
    np.savez(tmp_path / "whole.npz", **whole)
    table = tmp_path / "tool.csv"
    ages = zip(whole["path"], whole["age_label"], strict=True)
    table.write_text("path,age\n" + "".join(f"{path},{age}\n" for path, age in ages))
    runs = [folds / f"fold{i}" for i in (2, 0, 3, 1)]
    sides = {"folds": runs, "whole": [tmp_path / "whole.npz"], "tool": [table]}
    figures = compare(sides, against="folds")
    mae = fold_figures({run.name: run for run in runs})["over_faces"]["mae"]
    assert figures["sides"]["folds"]["age"]["value"] == pytest.approx(mae)
    assert figures["sides"]["folds"]["age"]["runs"] == [pytest.approx(mae)]
    assert figures["sides"]["tool"]["age"]["value"] == 0
    assert (figures["n"], figures["persons"]) == (400, 100)
    with pytest.raises(UserError, match="not of the same faces"):
        compare(sides | {"folds": runs[1:]})


def one_line(capsys, monkeypatch, folder, *args):
    code, out, err = agejax_command(capsys, monkeypatch, "folds", folder, *args)
    assert (code, out, err.count("\n")) == (2, "", 1), err
    return err


def test_what_is_no_set_of_folds_is_one_line(folds, capsys, monkeypatch):
    said = lambda *args: one_line(capsys, monkeypatch, *args)
    assert "no such folder" in said(folds / "nowhere")
    assert "there is no run in it" in said(folds / "fold0")
    assert "evaluate the run first" in said(folds, "--split", "validation")
    config = folds / "fold3" / "config.json"
    for text, told in (
        ('{"data": {"folds": 5}}', "is one of 5 folds, but fold0 one of 4"),
        ('{"data": {"folds": 0}}', "is not a fold"),
        ('{"data": {}}', "is not a fold"),
        ("[]", "its config cannot be read"),
        ("{", "its config cannot be read"),
    ):
        config.write_text(text)
        assert told in said(folds)
    runs = {"a": folds / "fold0", "b": folds / "fold0"}
    with pytest.raises(UserError, match="a and b test the same faces: they are no folds"):
        fold_figures(runs)
    with pytest.raises(UserError, match="two runs or more; there are a"):
        fold_figures({"a": folds / "fold0"})


def test_missing_folds_are_told(folds, capsys, monkeypatch):
    (folds / "fold3" / "config.json").unlink()
    code, out, err = agejax_command(capsys, monkeypatch, "folds", folds)
    assert (code, err) == (0, "3 of 4 folds are tested\n")
    assert "360 faces" in out


def test_any_run_or_sweep_is_trained_in_folds(tmp_path):
    runs = dict(sweeps.with_folds([("a", {"seed": 1}), ("", get_config())], 3))
    assert list(runs) == ["a/fold0", "a/fold1", "a/fold2", "fold0", "fold1", "fold2"]
    roles = {"data.folds": 3, "data.test_folds": (2,), "data.validation_folds": (0,)}
    assert runs["a/fold2"] == {"seed": 1, **roles}
    assert runs["fold2"].data.test_folds == (2,)
    named = dict(sweeps.with_folds([("", {})], 3, names=("x", "y", "z")))
    assert named["foldz"]["data.validation_folds"] == ("x",)
    config = get_config()
    one = sweeps.in_folds(tmp_path, config, {}, 5)
    assert list(one) == [f"fold{i}" for i in range(5)]
    with pytest.raises(UserError, match="sets config.data.folds itself"):
        sweeps.in_folds(tmp_path, config, one, 5)
    for wrong in (-1, 0, 2):
        with pytest.raises(UserError, match=f"--folds is {wrong}"):
            sweeps.in_folds(tmp_path, config, {}, wrong)


def test_the_config_of_folds_has_five():
    file = ROOT / "configs" / "folds.py"
    runs = sweeps.read(file, from_file(file), {"train.steps": 7})
    assert list(runs) == [f"fold{i}" for i in range(5)]
    assert {of.data.folds for of in runs.values()} == {5}


def test_the_benchmarks_splits_are_those_of_its_paper():
    file = ROOT / "configs" / "benchmark.py"
    runs = sweeps.read(file, from_file(file), {})
    assert list(runs) == [f"split{i}" for i in range(5)]
    for of in runs.values():
        left = {*range(10)} - {*of.data.test_folds, *of.data.validation_folds}
        assert (of.data.folds, len(left)) == (10, 6)
    assert runs["split3"].data.to_dict().items() >= {"test_folds": (3, 4)}.items()


# Leaves what a finished fold leaves, unless a file `fail` is there.
STAND_IN = """
import json, pathlib, shutil, sys
results, folder, name = (*map(pathlib.Path, sys.argv[1:3]), sys.argv[3].removeprefix("--run="))
if (results / "fail").exists() and name == "fold2": sys.exit("error: killed")
run = folder / name
shutil.copytree(results / name / "eval", run / "eval")
run.joinpath("eval", "test.json").write_text('{"age": {}}')
run.joinpath("checkpoints", "30").mkdir(parents=True)
shutil.copy(results / f"{name}.json", run / "config.json")
"""


def test_a_sweep_that_is_resumed_half_way_ends_with_the_table(folds, tmp_path, capsys):
    runs = sweeps.in_folds(tmp_path, get_config(), {}, 4)
    for name, config in runs.items():
        (folds / f"{name}.json").write_text(to_json(config))
    out = tmp_path / "out"
    command = [sys.executable, "-c", STAND_IN, str(folds), str(out)]
    (folds / "fail").touch()
    assert run_sweep(runs, out, command) == 1
    print_folds(runs, out)
    assert "in 4 folds" not in capsys.readouterr().out
    (folds / "fail").unlink()
    assert run_sweep(runs, out, command) == 0
    print_folds(runs, out)
    told = capsys.readouterr().out
    assert told.startswith(f"{out}: 4 runs, 3 of them done before")
    expected = fold_table(fold_figures({name: folds / name for name in runs}))
    assert told.endswith(f"\n\n{out}, {expected}\n")
    assert "agejax compare" not in told


@pytest.mark.parametrize("steps", counts(30, smoke=0)[1:])
def test_killed_and_resumed_the_figures_are_those_of_the_unbroken(
    launch, tmp_path, steps, capsys, monkeypatch
):
    def start(name):
        return launch("--folds=5", f"--workdir={tmp_path / name}", f"--config.train.steps={steps}")

    unbroken = start("unbroken")
    out, err = unbroken.communicate()
    assert unbroken.returncode == 0, err
    assert "in 5 folds" in out
    broken = start("broken")
    half = tmp_path / "broken" / "fold2" / "checkpoints"
    while not half.is_dir() and broken.poll() is None:
        time.sleep(0.05)
    broken.send_signal(9)
    broken.communicate()
    while at_work(f"--workdir={tmp_path / 'broken'}"):  # the run ends with its sweep
        time.sleep(0.05)
    assert not (tmp_path / "broken" / "fold4").exists()
    again = start("broken")
    assert again.communicate()[0].splitlines()[0].endswith("5 runs, 2 of them done before")
    assert again.returncode == 0
    both = [
        agejax_command(capsys, monkeypatch, "folds", tmp_path / name, "--json")[1]
        for name in ("unbroken", "broken")
    ]
    assert both[0] == both[1]
