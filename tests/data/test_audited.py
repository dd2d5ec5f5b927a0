"""Weights of labels from the table of an audit, and tables that are not that of these faces."""

import dataclasses

import numpy as np
import pytest

from agejax.checkpoints.provenance import columns_sha256, data_of, fingerprint
from agejax.data.audited import weighed
from agejax.data.stream import RowLoader
from agejax.errors import UserError
from agejax.evaluation.open_split import open_split
from tests.auditing.conftest import made

HEADER = "path,task,label,read,low,high,p_wrong,reason\n"


@pytest.fixture
def faces():
    found = made(6)[0]
    labels = {"age": np.array([31, 20, 5, 44, 60, 7], np.int32), "gender": np.zeros(6, np.int32)}
    upto = {"age": labels["age"] + np.array([0, 9, 0, 0, 0, 0], np.int32)}
    known = {"age": np.ones(6, bool), "gender": np.arange(6) < 3}
    return dataclasses.replace(found, labels=labels, upto=upto, known=known)


ROWS = (
    "0000.jpg,age,31,,,,0.9,\n0001.jpg,age,20-29,,,,0.1,\n0002.jpg,age,5,,,,0,\n"
    "0003.jpg,age,44,,,,0,\n0004.jpg,age,60,,,,0.5,\n0005.jpg,age,7,,,,1,\n"
    "other.jpg,age,9,,,,0.2,\n"
)

GENDERS = "".join(f"{i:04}.jpg,gender,female,,,,1,\n" for i in range(3))


def written(tmp_path, rows=ROWS, header=HEADER):
    file = tmp_path / "audit.csv"
    file.write_text(header + rows)
    return file


def test_a_label_weighs_what_is_left_of_it(faces, tmp_path):
    found = weighed(faces, written(tmp_path))
    raw = np.array([0.1, 0.9, 1, 1, 0.5, 0])
    np.testing.assert_allclose(found.label_weights["age"], raw / raw.mean(), rtol=1e-6)
    np.testing.assert_array_equal(found.label_weights["gender"], 1)  # not in the table
    assert found.label_weights["age"].dtype == np.float32
    batch = RowLoader(found.where(np.arange(6) > 3))([1, 0], rows=3)
    np.testing.assert_allclose(batch["weights"]["age"] * raw.mean(), [0, 0.5, 0], rtol=1e-6)
    assert "weights" not in RowLoader(faces)([0, 1])


def test_labels_above_a_probability_are_left_out(faces, tmp_path):
    found = weighed(faces, written(tmp_path), above=0.5)
    np.testing.assert_array_equal(found.known["age"], [False, True, True, True, True, False])
    assert not found.label_weights
    assert faces.known["age"].all()


def test_the_fingerprint_knows_the_weights(faces, tmp_path):
    found = weighed(faces, written(tmp_path))
    other = weighed(faces, written(tmp_path, ROWS.replace("0.5", "0.6")))
    assert len({fingerprint(of) for of in (faces, found, other)}) == 3
    assert data_of({"train": found})["train"]["rule"] == 2
    changed = [k for k, v in columns_sha256(found).items() if columns_sha256(other)[k] != v]
    assert changed == ["weight age"]
    plain = dataclasses.replace(faces, upto={})
    assert "rule" not in data_of({"train": plain})["train"]


@pytest.mark.parametrize(
    ("rows", "header", "said"),
    [
        ("", HEADER, "there is no label in it"),
        (ROWS, "path,label,task,a,b,c,d,e\n", "it has no column 'p_wrong'"),
        (
            ROWS + "0000.jpg,age,31,,,,0.2,\n",
            HEADER,
            "row 9: the age of 0000.jpg is in a row above",
        ),
        (ROWS.replace("0.9", "1.2"), HEADER, "row 2: p_wrong is '1.2'; it must be a number from 0"),
        (ROWS.replace("0.9", "nan"), HEADER, "row 2: p_wrong is 'nan'"),
        (ROWS.replace("0.9", "-0.1"), HEADER, "row 2: p_wrong is '-0.1'"),
        (ROWS.replace("0.9", ""), HEADER, "row 2: p_wrong is ''"),
        (ROWS.replace("age,31", "race,31"), HEADER, "row 2: the task is 'race'"),
        (ROWS.replace("31", "3l"), HEADER, "row 2: not an age"),
        (ROWS.replace("31", ""), HEADER, "row 2: it has no label"),
        (ROWS.replace("0000.jpg", ""), HEADER, "row 2: no path"),
        (
            ROWS.replace("age,31", "age,32"),
            HEADER,
            "age of 0000.jpg was 32 when it was audited, and is 31",
        ),
        (ROWS.replace("20-29", "20"), HEADER, "0001.jpg was 20 when it was audited, and is 20-29"),
        (
            ROWS.replace("0000.jpg", "x.jpg"),
            HEADER,
            "no row for 1 of 6 training labels of age, such",
        ),
        ("x.jpg,age,31,,,,0.9,\n", HEADER, "no row for 6 of 6 training labels of age, such"),
        (GENDERS, HEADER, "it leaves no label of gender"),
        (GENDERS.replace("female", "male"), HEADER, "0000.jpg was male when it was audited, and"),
    ],
)
def test_a_table_of_something_else_is_one_line(faces, tmp_path, rows, header, said):
    file = written(tmp_path, rows, header)
    with pytest.raises(UserError) as raised:
        weighed(faces, file, missing=0.01)
    assert str(file) in str(raised.value)
    assert said in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_few_labels_without_a_row_weigh_as_right_ones(faces, tmp_path, caplog):
    caplog.set_level("INFO", "agejax")
    found = weighed(faces, written(tmp_path, ROWS.replace("0000.jpg", "x.jpg")), missing=0.2)
    assert found.label_weights["age"][0] == found.label_weights["age"][2]
    assert "no row for 1 of 6 training labels of age" in caplog.text


def test_training_faces_alone_are_weighed(tiny, tmp_path):
    faces = open_split(tiny, "train")
    rows = "".join(
        f"{path},age,{age},,,,{i % 2},\n"
        for i, (path, age) in enumerate(zip(faces.path, faces.labels["age"], strict=True))
    )
    tiny.data.audit = str(written(tmp_path, rows))
    weights = open_split(tiny, "train").label_weights
    np.testing.assert_allclose(weights["age"], (np.arange(len(faces)) % 2 == 0) * 2, atol=1e-2)
    assert not open_split(tiny, "validation").label_weights
    tiny.data.audit = str(tmp_path / "none.csv")
    with pytest.raises(UserError, match=r"none\.csv: there is no such table"):
        open_split(tiny, "train")
