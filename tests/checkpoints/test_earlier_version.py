"""A run that was saved before agejax's modules had their present names and folders.

`saved_runs/before_rooms.tar.gz` is a `SmallCNN` after 12 steps on the painted faces of `archives`;
`before_rooms_step24.npz` has the weights to which the code of that time resumed it. Both were made
on one CPU device with oneDNN; elsewhere sums are rounded otherwise.
"""

import json
import shutil
import tarfile
from pathlib import Path

import jax
import numpy as np
import pytest

from agejax.checkpoints.run_dir import of_the_run, read_checkpoint
from agejax.evaluation.evaluate import evaluate
from agejax.losses.balance import smoothed_inverse
from agejax.losses.row_losses import label_distribution
from agejax.optim import cosine
from agejax.training.loop import train
from tests.runs import leaves

pytestmark = pytest.mark.usefixtures("quick_compilation")

SAVED = Path(__file__).parent.parent / "saved_runs"
ROUNDING = {"rtol": 1e-5, "atol": 1e-5}


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("before_rooms")
    with tarfile.open(SAVED / "before_rooms.tar.gz") as tar:
        tar.extractall(folder, filter="data")
    return folder / "run"


@pytest.fixture
def old_run(saved, tmp_path, monkeypatch):
    run = tmp_path / "run"
    shutil.copytree(saved, run)
    monkeypatch.setenv("AGEJAX_OWN_RUNS", str(run))
    return run


@pytest.fixture
def here(archives, built):
    """The settings by which its relative paths lead to the same data."""
    return {"data.manual_dir": str(archives), "data.data_dir": str(built)}


def numbers(tree):
    """{path: number} of all numbers in JSON."""
    found, _ = jax.tree.flatten_with_path(tree)
    return {jax.tree_util.keystr(path): x for path, x in found if isinstance(x, float | int)}


def test_names_of_moved_modules_are_resolved(saved):
    config = read_checkpoint(saved).config
    assert "agejax.train." in (saved / "config.json").read_text()
    assert config.tasks.age.loss is label_distribution
    assert config.tasks.age.balance is smoothed_inverse
    assert config.optim.schedule is cosine


def test_it_evaluates_to_the_same_metrics(old_run, here):
    before = json.loads((old_run / "eval" / "test.json").read_text())
    now = evaluate(of_the_run(old_run, here), old_run)
    same = ("n", "step", "split", "left_out", "unreadable", "age", "gender", "uncalibrated")
    same += ("calibration", "groups", "worst_to_mean", "persons", "curves", "baseline")
    now = json.loads(json.dumps(now))  # with lists in place of tuples
    del now["curves"]["age"]["by_year"]  # which that version did not have
    ours, theirs = (numbers({key: of[key] for key in same}) for of in (now, before))
    assert ours.keys() == theirs.keys()
    np.testing.assert_allclose([*ours.values()], [*theirs.values()], **ROUNDING)


def test_it_resumes_to_the_same_weights(old_run, here):
    train(of_the_run(old_run, here | {"train.steps": 24}), old_run)
    weights, _ = leaves(old_run, step=24)
    found, _ = jax.tree.flatten_with_path(weights)
    with np.load(SAVED / "before_rooms_step24.npz") as expected:
        ours = {jax.tree_util.keystr(p, simple=True, separator="/"): x for p, x in found}
        assert ours.keys() == set(expected)
        for name, value in ours.items():
            np.testing.assert_allclose(value, expected[name], **ROUNDING, err_msg=name)
