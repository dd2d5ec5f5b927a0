"""A run whose data has changed since it was trained."""

import dataclasses
import json
import shutil

import numpy as np
import pytest

from agejax.checkpoints.provenance import data_of, differing, fingerprint, read_sessions
from agejax.checkpoints.run_dir import of_the_run
from agejax.checkpoints.same_data import check_same_data
from agejax.errors import UserError
from agejax.evaluation.evaluate import evaluate
from agejax.evaluation.open_split import open_split
from agejax.experiments.derived_run import write_run
from agejax.training.loop import train
from tests.data.test_stream import faces


@pytest.fixture
def own(run, tmp_path):
    """A copy of a finished run, and of nothing else."""
    return shutil.copytree(run, tmp_path / "run")


@pytest.fixture
def data(built, tmp_path):
    """The folder of a copy of the data set, under `data/`."""
    shutil.copytree(built, tmp_path / "data")
    return next((tmp_path / "data").glob("imdb_wiki/imdb/*"))


def change(file, **columns):
    with np.load(file) as npz:
        old = dict(npz)
    np.savez_compressed(file, **old | {name: how(old[name]) for name, how in columns.items()})


def exchange(data):
    """Of the train and the test split."""
    for file in data.glob("*train*"):
        file.rename(file.with_name(file.name.replace("train", "other")))
    for one, another in (("test", "train"), ("other", "test")):
        for file in data.glob(f"*{one}*"):
            file.rename(file.with_name(file.name.replace(one, another)))


def test_the_same_data_elsewhere_is_the_same(own, tiny, data):
    tiny.data.data_dir = str(data.parents[2])
    assert evaluate(tiny, own)["left_out"] is not None


def test_other_labels_are_told_at_resume_and_evaluation(own, tiny, data, caplog):
    caplog.set_level("INFO", "agejax")
    tiny.data.data_dir = str(data.parents[2])
    change(data / "columns-train.npz", gender=lambda gender: 1 - gender)
    said = "run: its data is not what it was trained on: train has other label gender; config"
    for goes_on in (train, evaluate):
        with pytest.raises(UserError, match=said):
            goes_on(tiny, own)
    tiny.data.allow_changed = True
    train(tiny, own)
    assert "train has other label gender; going on" in caplog.text
    assert not of_the_run(own, {}).data.allow_changed


def test_exchanged_splits_do_not_pass_for_test_faces(own, tiny, data):
    tiny.data.data_dir = str(data.parents[2])
    exchange(data)
    with pytest.raises(UserError, match=r"train has 28 faces where there were 200; test has 200"):
        evaluate(tiny, own)


def test_test_faces_with_other_labels_are_told_too(own, tiny, data):
    tiny.data.data_dir = str(data.parents[2])
    change(data / "columns-test.npz", age=lambda age: np.roll(age, 1))
    with pytest.raises(UserError, match="trained on: test has other label age"):
        evaluate(tiny, own)


def test_other_data_by_other_settings_is_no_change(own, tiny, tmp_path):
    tiny.data.update(name="wiki", data_dir=str(tmp_path / "wiki"))
    assert evaluate(tiny, own)["left_out"] is not None


def test_a_run_that_was_made_of_another_remembers_its_data(own, tiny, tmp_path):
    splits = {"train": open_split(tiny, "train")}
    write_run(tmp_path / "made", tiny, {"split": "test"}, [own], splits["train"])
    check_same_data(tmp_path / "made", 30, splits)
    some = splits["train"]
    other = dataclasses.replace(some, sha256=some.sha256[::-1])
    with pytest.raises(UserError, match="train has other images"):
        check_same_data(tmp_path / "made", 30, {"train": other})


def noted(tmp_path, entry):
    (tmp_path / "run.json").write_text(json.dumps([{"step": 0, **entry}]))
    return tmp_path


def test_entries_of_before_are_compared_by_their_own_rule(tmp_path):
    some = faces()
    first = {"train": {"faces": 10, "sha256": fingerprint(some, 1)}}
    ranges = dataclasses.replace(some, upto={"age": some.labels["age"] + 9})
    check_same_data(noted(tmp_path, {"data": first}), 1, {"train": ranges})
    check_same_data(noted(tmp_path, {"data": first}), 1, {"train": some})
    wider = dataclasses.replace(some, upto={"age": some.labels["age"] + 4})
    now = {"data": data_of({"train": ranges})}
    check_same_data(noted(tmp_path, now), 1, {"train": ranges})
    for other in (some, wider):
        with pytest.raises(UserError, match="other faces, labels or persons"):
            check_same_data(noted(tmp_path, now), 1, {"train": other})
    assert fingerprint(ranges) != fingerprint(wider)
    assert fingerprint(some) == fingerprint(some, 1)
    assert (
        list(differing({"data": first}, {"data": data_of({"train": ranges}, {"train": 1})})) == []
    )


def test_other_names_alone_are_no_change(run, tiny):
    some = open_split(tiny, "train")
    named = dataclasses.replace(some, path=np.char.add("elsewhere/", some.path))
    check_same_data(run, 30, {"train": named})


@pytest.mark.parametrize("entry", [{"data": 3}, {"data": {"train": [1]}}])
def test_a_record_of_another_form_is_one_line(tmp_path, entry):
    with pytest.raises(UserError, match="run.json: cannot be read"):
        check_same_data(noted(tmp_path, entry), 1, {"train": faces()})


@pytest.mark.parametrize("entry", [{}, {"data": {}}])
def test_what_remembers_nothing_is_not_compared(tmp_path, entry):
    check_same_data(noted(tmp_path, entry), 1, {"train": faces()})
    assert len(read_sessions(tmp_path)) == 1
    check_same_data(tmp_path / "none", 1, {"train": faces()})


def test_only_sessions_before_the_checkpoint_count(tmp_path):
    old, new = faces(), faces(7)
    entries = [{"step": 0, "data": data_of({"train": old})}]
    entries += [{"step": 6, "data": data_of({"train": new})}]
    (tmp_path / "run.json").write_text(json.dumps(entries))
    check_same_data(tmp_path, 6, {"train": old})
    check_same_data(tmp_path, 7, {"train": new})
    with pytest.raises(UserError, match="10 faces where there were 7"):
        check_same_data(tmp_path, 7, {"train": old})
