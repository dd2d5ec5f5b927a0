"""Attribute columns that are called like something of ours."""

import csv
import dataclasses
import shutil

import numpy as np
import pytest

from agejax.config import validation
from agejax.data.attributes import read_attributes
from agejax.data.mixture import mixture
from agejax.errors import UserError
from agejax.evaluation.evaluate import evaluate
from agejax.evaluation.open_split import open_split
from agejax.evaluation.task_labels import groups_of
from agejax.labels import GENDERS
from tests.data.test_stream import faces

NAMES = ("all", "decade", "gender", "age", "mask", "person", "set", "label", "n", "race")


def test_a_table_of_attributes_may_call_its_columns_as_it_likes(tiny, run, tmp_path, caplog):
    caplog.set_level("INFO", "agejax")
    workdir = tmp_path / "run"
    shutil.copytree(run, workdir)
    tiny.eval.split = "train"
    paths = open_split(tiny, "train").path
    table = tmp_path / "attributes.csv"
    with table.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["path", *NAMES, "id"])
        for i, path in enumerate(paths):
            writer.writerow([path, *(f"{name}{i % 2}" for name in NAMES), i])
    tiny.eval.attributes = str(table)
    figures = evaluate(tiny, workdir)
    plain = {"age", "mask", "person", "set", "label", "n", "race", "decade", "gender"}
    named = {f"{name} (attributes)" for name in ("all", "decade", "gender")}
    assert set(figures["groups"]) == plain | named
    assert set(figures["groups"]["gender (attributes)"]) == {"gender0", "gender1"}
    assert set(figures["groups"]["gender"]) == set(GENDERS)
    assert f"no metrics by id: {len(paths)} values are more than 30" in caplog.text


def test_so_may_a_table_of_faces_and_sets_of_a_mixture():
    some = faces(4)
    half = np.array(["x", "y", "x", "y"])
    some = dataclasses.replace(some, attributes={"all": half, "decade": half, "race": half})
    found = groups_of(some, {"race": half})
    assert set(found) == {"all (column)", "decade (column)", "race", "race (attributes)"}
    with_set = dataclasses.replace(some, attributes={"set": half})
    both = mixture("test", sets={"a": {"source": lambda split: with_set}})
    assert both.attributes["set"].tolist() == ["a"] * 4
    assert both.attributes["set (column)"].tolist() == half.tolist()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("path,race,race\n000.jpg,x,y\n", "more than one column 'race'"),
        ("path,race,path\n000.jpg,x,001.jpg\n", "more than one column 'path'"),
        ("path,race\n000.jpg,x\n000.jpg,y\n", "row 3: 000.jpg appears above with other cells"),
    ],
)
def test_what_stands_twice_is_told(tmp_path, text, said):
    file = tmp_path / "a.csv"
    file.write_text(text)
    with pytest.raises(UserError, match=said):
        read_attributes(file, faces().path)
    file.write_text("path,race\n000.jpg,x\n000.jpg,x\n")  # says the same
    assert read_attributes(file, faces().path)["race"][0] == "x"


@pytest.mark.parametrize("name", ["data", "config", "step", "groups"])
def test_a_task_cannot_be_called_like_other_figures(tiny, name):
    with tiny.unlocked():
        tiny.tasks[name] = {"names": ("no", "yes")}
    with pytest.raises(UserError, match=rf"config.tasks.{name}: figures have"):
        validation.check(tiny)
