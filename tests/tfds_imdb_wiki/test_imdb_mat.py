import io
import struct
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import scipy.io

import tfds_imdb_wiki
from agejax.errors import UserError
from tfds_imdb_wiki.imdb_mat import read_mat


@pytest.fixture(scope="module")
def mat(small) -> bytes:
    return (small / "imdb_crop" / "imdb.mat").read_bytes()


def saved(kind="imdb", n=3, **changes) -> bytes:
    """A .mat of `n` rows in the official layout, with fields changed; None leaves one out."""

    def cells(values):
        array = np.empty((1, n), object)
        array[0] = values
        return array

    fields = {
        "dob": np.full((1, n), 719000, np.int32),
        "photo_taken": np.full((1, n), 2000, np.uint16),
        "full_path": cells([f"00/nm{i:07}_rm1_1968-7-18_2000.jpg" for i in range(n)]),
        "gender": np.ones((1, n)),
        "name": cells([f"Léa {i}" for i in range(n)]),
        "face_location": cells([np.array([[1.0, 1, 50, 50]])] * n),
        "face_score": np.full((1, n), 2.5),
        "second_face_score": np.full((1, n), np.nan),
    } | changes
    out = io.BytesIO()
    scipy.io.savemat(out, {kind: {k: v for k, v in fields.items() if v is not None}})
    return out.getvalue()


def test_every_field_of_the_file_is_a_column(mat):
    columns = read_mat(mat, "imdb", "imdb.mat")
    official = scipy.io.loadmat(io.BytesIO(mat))["imdb"][0, 0]
    assert set(columns) == set(official.dtype.names)
    for field in ("dob", "photo_taken", "gender", "face_score", "second_face_score", "celeb_id"):
        np.testing.assert_array_equal(columns[field], official[field][0].astype(np.float64))
    for field in ("full_path", "name", "celeb_names"):
        assert columns[field].tolist() == [str(cell[0]) for cell in official[field][0]]
    boxes = [box[0].tolist() for box in official["face_location"][0]]
    assert columns["face_location"].tolist() == boxes


def test_years_do_not_wrap(mat):
    columns = read_mat(mat, "imdb", "imdb.mat")
    assert columns["photo_taken"].dtype == columns["dob"].dtype == np.int64
    assert (columns["photo_taken"] - 2100 < 0).all()


def test_missing_values_are_read_as_such():
    names = np.empty((1, 3), object)
    names[0] = ["", np.array([]), "Gül"]
    dob = np.array([[np.nan, np.inf, 719000]])
    gender = np.array([[np.nan, 0, 1]])
    score = np.array([[-np.inf, np.nan, 3]])
    data = saved(name=names, dob=dob, gender=gender, face_score=score)
    columns = read_mat(data, "imdb", "imdb.mat")
    assert columns["name"].tolist() == ["", "", "Gül"]
    assert columns["dob"].tolist() == [0, 0, 719000]
    np.testing.assert_array_equal(columns["gender"], gender[0])
    np.testing.assert_array_equal(columns["face_score"], score[0])


def test_wiki_needs_no_celebrities():
    columns = read_mat(saved("wiki"), "wiki", "wiki.mat")
    assert len(columns) == 8
    assert {len(column) for column in columns.values()} == {3}


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "MatReadError"),
        (b"<html>404</html>" * 40, "imdb.mat"),
        (saved("wiki"), "KeyError: 'imdb'"),
        (saved(gender=None), "gender"),
        (saved(gender=np.ones((1, 2))), "different lengths"),
        (saved(celeb_id=np.ones((1, 2), np.uint16)), "different lengths"),
    ],
    ids=["empty", "html", "other_struct", "missing_field", "short_field", "short_celeb_id"],
)
def test_what_is_no_such_mat_is_the_users_error_in_one_line(data, why, tmp_path):
    with pytest.raises(UserError, match=why) as error:
        read_mat(data, "imdb", str(tmp_path / "imdb.mat"))
    assert str(error.value).startswith(f"{tmp_path}/imdb.mat: not a readable imdb.mat (")
    assert "\n" not in str(error.value)


def test_it_works_in_the_folder_of_the_data_set_where_tfds_build_is_usually_run(mat, monkeypatch):
    monkeypatch.chdir(Path(tfds_imdb_wiki.__file__).parent)  # its select.py is not Python's
    assert len(read_mat(mat, "imdb", "imdb.mat")["dob"]) == 48


def test_a_size_that_nothing_has_is_refused_before_it_takes_the_memory():
    cell = lambda n: struct.pack("<IIIIIIii", 6, 8, 1, 0, 5, 8, 1, n)  # an array of 1 x n cells
    data = saved()
    assert data.count(cell(3)) == 3
    data = data.replace(cell(3), cell(2**28))
    with pytest.raises(UserError, match=r"not a readable imdb.mat \(\w*MemoryError"):
        read_mat(data, "imdb", "imdb.mat")


def mutated(data: bytes, seed: int) -> bytes:
    """The bytes with a few bits flipped, a piece overwritten, or the end cut off."""
    rng = np.random.default_rng(seed)
    array = np.frombuffer(data, np.uint8).copy()
    match seed % 3:
        case 0:
            at = rng.integers(128, len(array), rng.integers(1, 9))
            array[at] ^= 1 << rng.integers(0, 8, at.size, np.uint8)
        case 1:
            at = rng.integers(128, len(array) - 16)
            array[at : at + 16] = rng.integers(0, 256, 16)
        case 2:
            array = array[: rng.integers(0, len(array))]
    return array.tobytes()


def test_a_damaged_mat_is_whole_columns_or_the_users_error():
    data = saved(n=4, celeb_id=np.ones((1, 4), np.uint16))

    def outcome(seed):
        try:
            columns = read_mat(mutated(data, seed), "imdb", "imdb.mat")
        except UserError as error:
            return str(error).partition(": ")[0]
        return {len(column) for field, column in columns.items() if field != "celeb_names"}

    with ThreadPoolExecutor(2) as pool:
        outcomes = list(pool.map(outcome, range(12)))
    assert all(o == "imdb.mat" or len(o) == 1 for o in outcomes)
    assert "imdb.mat" in outcomes
