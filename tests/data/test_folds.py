"""Folds in place of a source's splits."""

import csv

import numpy as np
import pytest

from agejax.checkpoints import own_data
from agejax.data.folds import folded
from agejax.data.own_faces import own_faces
from agejax.errors import NoSuchSplit, UserError
from agejax.evaluation.open_split import open_split
from tests.tiny import get_config

SPLITS = ("train", "validation", "test")


@pytest.fixture
def imdb(archives, built):
    """The config of a painted IMDB with one fold tested."""

    def of(test, folds=5, **more):
        config = get_config()
        config.data.update(manual_dir=str(archives), data_dir=str(built), folds=folds)
        config.data.update(test_folds=(test,), validation_folds=((test + 1) % 5,), **more)
        return config

    return of


def test_every_face_is_tested_once_and_no_person_is_on_two_sides(imdb):
    whole = {f for split in SPLITS for f in open_split(imdb(0, folds=0), split).path.tolist()}
    tested = []
    for test in range(5):
        parts = {split: open_split(imdb(test), split) for split in SPLITS}
        tested += parts["test"].path.tolist()
        assert sorted(f for part in parts.values() for f in part.path.tolist()) == sorted(whole)
        for a, b in (("train", "test"), ("train", "validation"), ("validation", "test")):
            assert not set(parts[a].person) & set(parts[b].person)
            assert not set(parts[a].sha256) & set(parts[b].sha256)
    assert sorted(tested) == sorted(whole)


def test_faces_keep_their_labels_and_images_in_the_order_of_paths(imdb):
    ours = open_split(imdb(1), "train")
    assert ours.path.tolist() == sorted(ours.path.tolist())
    whole = {}
    for split in SPLITS:
        of = open_split(imdb(0, folds=0), split)
        images = of.read(of.rows)
        for i, path in enumerate(of.path.tolist()):
            whole[path] = of.labels["age"][i], of.labels["gender"][i], of.person[i], images[i]
    images = ours.read(ours.rows)
    for i, path in enumerate(ours.path.tolist()):
        row = ours.labels["age"][i], ours.labels["gender"][i], ours.person[i], images[i]
        assert row == whole[path]
    few = ours.where(np.arange(len(ours)) % 7 == 3)
    assert few.read(few.rows[::-1]) == [whole[path][3] for path in few.path[::-1].tolist()]


@pytest.fixture
def table(imdb, tmp_path):
    """Writes a table with a column `fold` of the painted faces; ten faces of five persons."""
    faces = open_split(imdb(0, folds=0), "train")
    paths = [f"{i}.jpg" for i in range(10)]
    for path, image in zip(paths, faces.read(faces.rows[:10]), strict=True):
        (tmp_path / path).write_bytes(image)

    def write(folds):
        with open(tmp_path / "t.csv", "w", newline="") as file:
            rows = [(path, 20 + i, f"p{i // 2}", folds[i]) for i, path in enumerate(paths)]
            csv.writer(file).writerows([("path", "age", "person", "fold"), *rows])
        return lambda split: own_faces(split, path=str(tmp_path / "t.csv"))

    return write


def split_of(opened, split, **roles):
    return [int(p.partition(".")[0]) for p in folded(split, opened, **roles).path.tolist()]


def test_a_column_of_folds_is_used_unchanged(table, caplog):
    opened = table([str(i // 2) for i in range(10)])
    roles = {"folds": 5, "test_folds": (3, "4"), "validation_folds": (0,)}
    assert split_of(opened, "test", **roles) == [6, 7, 8, 9]
    assert split_of(opened, "validation", **roles) == [0, 1]
    assert split_of(opened, "train", **roles) == [2, 3, 4, 5]
    assert split_of(opened, "all", **roles) == list(range(10))
    assert not caplog.messages
    with pytest.raises(NoSuchSplit, match="no split 'dev' of folds"):
        split_of(opened, "dev", **roles)
    names = table(["a", "b", "c", "a", "b", "c", "a", "b", "c", "a"])
    roles = {"folds": 3, "test_folds": ("a",), "validation_folds": ("b",)}
    assert split_of(names, "train", **roles) == [2, 5, 8]
    assert "5 persons are in more than one fold" in caplog.text


@pytest.mark.parametrize(
    ("folds", "roles", "said"),
    [
        ("0123401234", {"folds": 4}, "config.data.folds is 4, but the column 'fold' has 5"),
        ("012 401234", {}, "1 faces have no fold in the column 'fold', such as 3.jpg"),
        ("0123401234", {"test_folds": (7,)}, "no face in a fold '7'; there are 0, 1, 2, 3, 4"),
        ("0123401234", {"test_folds": (0, 1, 2), "validation_folds": (3, 4)}, "no fold is left"),
    ],
)
def test_folds_that_cannot_be_are_one_line(table, folds, roles, said):
    usual = {"folds": 5, "test_folds": (0,), "validation_folds": (1,)}
    with pytest.raises(UserError, match=said) as error:
        folded("train", table([cell.strip() for cell in folds]), **usual | roles)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"folds": 2}, "config.data.folds is 2; it must be 0, for none, or from 3"),
        ({"folds": -1}, "config.data.folds is -1"),
        ({"folds": 5, "test_folds": ()}, r"config.data.test_folds is \(\)"),
        ({"folds": 5, "test_folds": (1.5,)}, "must be names of folds"),
        ({"folds": 5, "test_folds": (1, "x"), "validation_folds": ("1",)}, "the fold 1 is among"),
    ],
)
def test_settings_are_checked(data, said):
    from agejax.config.validation import check

    config = get_config()
    config.data.update(data)
    with pytest.raises(UserError, match=said):
        check(config)


def test_a_note_of_whose_data_these_are_does_not_depend_on_folds(imdb):
    assert own_data._parts(imdb(0, folds=0))["data"] == own_data._parts(imdb(2))["data"]


def test_a_mixture_has_no_folds(imdb):
    from agejax.data.mixture import mixture

    config = imdb(0, source=mixture)
    with pytest.raises(UserError, match="each set of a mixture keeps its splits"):
        open_split(config, "train")
