"""Faces of which only the images are used."""

import dataclasses
import itertools

import numpy as np
import pytest

from agejax.data.own_faces import own_faces
from agejax.data.stream import RowLoader, train_batches
from agejax.data.unlabelled import unlabelled, with_unlabelled
from agejax.errors import UserError
from tests.data.tables.conftest import jpeg


@pytest.fixture
def folder(tmp_path):
    """Ten images, two of them in a subfolder, and what is none."""
    place = tmp_path / "faces"
    (place / "more").mkdir(parents=True)
    for i in range(10):
        (place / ("more" if i > 7 else "") / f"{i}.jpg").write_bytes(jpeg(i))
    (place / "broken.jpg").write_bytes(b"nothing")
    (place / "notes.txt").write_text("none")
    return place


@pytest.fixture
def labelled(folder):
    """Four of them in a table, with labels."""
    table = folder.parent / "faces.csv"
    table.write_text("path,age,gender\n" + "".join(f"faces/{i}.jpg,3{i},m\n" for i in range(4)))
    return own_faces("all", path=str(table))


def test_a_folder_has_faces_without_labels(folder):
    faces = unlabelled(str(folder))
    assert faces.path.tolist() == [*(f"{i}.jpg" for i in range(8)), "more/8.jpg", "more/9.jpg"]
    assert faces.read(faces.rows[8:9]) == [jpeg(8)]
    assert (faces.labels, faces.known) == ({}, {})


def test_a_table_has_them_without_its_labels(folder, labelled):
    assert len(unlabelled(str(folder.parent / "faces.csv"))) == 4
    both = with_unlabelled(labelled, unlabelled(str(folder), (labelled,)), 1.0)
    assert len(both) == 10
    assert both.known["age"].sum() == 4
    assert both.path[3:5].tolist() == ["labelled/faces/3.jpg", "unlabelled/4.jpg"]
    assert both.read(both.rows[3:5]) == [jpeg(3), jpeg(4)]


def test_they_are_drawn_by_their_weight_beside_the_sets_of_a_mixture(folder, labelled):
    more = unlabelled(str(folder), (labelled,))
    sets = np.array(["a", "a", "a", "b"])
    mixed = dataclasses.replace(labelled, attributes={"set": sets}, weights={"a": 6.0, "b": 2.0})
    both = with_unlabelled(mixed, more, 3.0)
    assert both.weights == {"labelled/a": 0.75, "labelled/b": 0.25, "unlabelled": 3.0}
    batches = train_batches(RowLoader(both), seed=1, batch_size=16)
    for batch in itertools.islice(batches, 3):
        drawn = both.attributes["set"][batch["image"]]
        assert (drawn == "unlabelled").sum() == 12
        assert (drawn == "labelled/b").sum() == 1


def test_what_gives_no_face_is_told(folder, labelled, tmp_path):
    everything = unlabelled(str(folder))
    (tmp_path / "empty").mkdir()
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "a.jpg").write_bytes(b"x")
    for path, said in (
        ("nowhere", "nowhere"),
        ("empty", "no image"),
        ("bad", "none of its 1 images can be used .*a.jpg"),
    ):
        with pytest.raises(UserError, match=said):
            unlabelled(str(tmp_path / path))
    with pytest.raises(UserError, match="all its images are among those"):
        unlabelled(str(folder), (labelled, everything))
