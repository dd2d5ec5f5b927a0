"""An audit of the predictions that the folds of a training left; see tests/experiments for them."""

import csv
import dataclasses

import numpy as np
import pytest

from agejax import config as configs
from agejax.auditing.audit import audit
from agejax.auditing.table import lines
from agejax.auditing.trained_folds import is_folder_of_folds, of_folds
from agejax.checkpoints.own_data import remember
from agejax.config import sweeps
from agejax.errors import UserError
from agejax.evaluation.open_split import open_split
from tests.auditing.conftest import made
from tests.commands import agejax_command


def one_hot(label, classes):
    return np.where(np.arange(classes) == label[:, None], 0.9, 0.1 / (classes - 1))


@pytest.fixture
def folder(tiny, tmp_path):
    """Three folds as training leaves them, each face read as it is labelled, but one."""
    remember(tiny)
    for name, config in sweeps.with_folds([("", tiny)], 3):
        run, faces = tmp_path / "folds" / name, open_split(config, "test")
        (run / "eval").mkdir(parents=True)
        (run / "checkpoints").mkdir()
        (run / "config.json").write_text(configs.to_json(config))
        of = {"path": faces.path, "person": faces.person}
        for task, classes in (("age", 101), ("gender", 2)):
            label = faces.labels[task]
            read = label.copy()
            if name == "fold0":
                read[7] = (label[7] + classes // 2) % classes
            of |= {f"{task}_label": label, f"{task}_known": faces.known[task]}
            of |= {f"{task}_probabilities": one_hot(read, classes).astype(np.float32)}
        np.savez(run / "eval" / "test.npz", **of)
    return tmp_path / "folds"


def change(file, **columns):
    with np.load(file) as npz:
        old = dict(npz)
    np.savez(file, **old | {name: how(old[name]) for name, how in columns.items()})


def test_each_face_is_read_by_the_fold_that_it_was_not_trained_in(folder):
    faces, predicted = of_folds(folder)
    assert predicted.there.all()
    _, features, _ = made(len(faces))
    features = dataclasses.replace(features, readable=np.arange(len(faces)) != 3)
    result = audit(faces, features, predicted=predicted)
    assert not result.readable[3]
    first = [next(of for of in lines(result) if of.task == task) for task in ("age", "gender")]
    with np.load(folder / "fold0" / "eval" / "test.npz") as of:
        assert {line.cells["path"] for line in first} == {str(of["path"][7])}
    assert result.tasks["gender"].wrong.argmax() == first[1].row


def test_the_command_audits_a_folder_of_folds(folder, run, tmp_path, capsys, monkeypatch):
    out = tmp_path / "audit.csv"
    command = ("audit", folder, "--checkpoint", run, "-o", out)
    code, said, _ = agejax_command(capsys, monkeypatch, *command)
    assert code == 0
    assert "labels, about" in said
    table = out.read_text()
    assert len(list(csv.DictReader(table.splitlines()))) > 400
    assert agejax_command(capsys, monkeypatch, *command)[0] == 0
    assert out.read_text() == table
    code, _, err = agejax_command(capsys, monkeypatch, *command, "--split", "test")
    assert (code, err.count("\n")) == (2, 1)
    assert "audited as a whole" in err


def test_the_command_trains_the_folds_that_are_missing(folder, run, tmp_path, capsys, monkeypatch):
    """The training is that of `agejax train --folds`, which tests of its own resume."""
    asked = []

    def trained(runs, where, command, jobs):
        asked.append((list(runs), where, command[-3:], jobs))
        print("training")
        return len(asked) - 1

    monkeypatch.setattr("agejax.experiments.sweep.run_sweep", trained)
    file = tmp_path / "mine.py"
    file.write_text("from tests.tiny import get_config\n")
    command = ("audit", "--config", file, "--folds", 3, "--workdir", folder, "--checkpoint", run)
    code, table, err = agejax_command(capsys, monkeypatch, *command)
    assert code == 0
    assert table.startswith("path,task,label")
    assert err.startswith("training\n")
    given = [f"--config={file}", "--folds=3", f"--workdir={folder}"]
    assert asked == [(["fold0", "fold1", "fold2"], folder, given, 1)]
    assert agejax_command(capsys, monkeypatch, *command)[0] == 1  # a fold failed
    for wrong, said in (
        (("audit", folder, "--folds", 3), "--config FILE --folds 5"),
        (("audit", "--config", file, "--workdir", folder), "--workdir is for the folds"),
        (("audit", "--config", file, "--folds", 2), "at least 3"),
    ):
        code, _, err = agejax_command(capsys, monkeypatch, *wrong)
        assert (code, err.count("\n")) == (2, 1)
        assert said in err


def drop_fold(folder):
    (folder / "fold2" / "config.json").unlink()


def another_rate(folder):
    file = folder / "fold1" / "config.json"
    file.write_text(file.read_text().replace('"learning_rate": 0.003', '"learning_rate": 0.004'))


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (drop_fold, "2 of 3 folds are there"),
        (lambda f: (f / "fold1" / "eval" / "test.npz").unlink(), "go on with the training"),
        (another_rate, "differ in config.optim.learning_rate"),
        (
            lambda f: change(f / "fold0" / "eval" / "test.npz", age_label=lambda x: x + 1),
            "labels of age are not those that it was trained on",
        ),
        (
            lambda f: change(f / "fold0" / "eval" / "test.npz", path=lambda x: np.char.add("x", x)),
            "trained on other faces, such as x",
        ),
        (
            lambda f: change(
                f / "fold0" / "eval" / "test.npz", age_probabilities=lambda x: x[:, :50]
            ),
            "no age of 101 classes",
        ),
    ],
)
@pytest.mark.filterwarnings("ignore:2 of 3 folds")
def test_folds_that_are_not_those_of_the_data_are_one_line(folder, damage, said):
    damage(folder)
    assert is_folder_of_folds(folder)
    with pytest.raises(UserError, match=said) as raised:
        of_folds(folder)
    assert "\n" not in str(raised.value)
