import os
import shutil

import numpy as np
import pytest

from agejax.data.decode import BadImage, decode
from agejax.data.own_faces import open_table, own_faces
from agejax.errors import UserError
from tests.commands import agejax_command
from tests.data.tables.conftest import jpeg


@pytest.fixture
def table(tmp_path):
    """Twelve faces: three formats, two labels that are not known, two ages that are ranges."""
    text = "race,path,person,age,gender,split\n"
    for i in range(12):
        name = f"{11 - i:02}.{('jpg', 'png', 'webp')[i % 3]}"
        form = ("JPEG", "PNG", "WEBP")[i % 3]
        (tmp_path / name).write_bytes(jpeg(i * 20, form=form))
        age = {3: "", 4: "20-29", 5: "70+"}.get(i, str(i))
        gender = "" if i == 6 else ("female", "male")[i % 2]
        split = ("train", "train", "validation", "test")[i % 4]
        text += f"{'xy '[i % 3].strip()},{name},p{i // 2},{age},{gender},{split}\n"
    file = tmp_path / "faces.csv"
    file.write_text(text)
    return file


def test_faces_come_by_path_with_all_that_is_known(table):
    faces = own_faces("all", path=str(table))
    assert faces.path.tolist() == sorted(faces.path.tolist())
    i = 11 - np.arange(12)  # the row that each was written in
    known = i != 3
    np.testing.assert_array_equal(faces.known["age"], known)
    np.testing.assert_array_equal(faces.known["gender"], i != 6)
    first = np.select([i == 3, i == 4, i == 5], [0, 20, 70], i)
    np.testing.assert_array_equal(faces.labels["age"], first)
    np.testing.assert_array_equal(faces.upto["age"], np.select([i == 4, i == 5], [29, 100], first))
    assert faces.attributes["race"].tolist() == [("x", "y", "unknown")[k % 3] for k in i]
    assert faces.person.tolist() == [f"p{k // 2}" for k in i]
    for row, k in enumerate(i):
        pixels = decode(faces.read(np.array([row]))[0], 8)
        np.testing.assert_allclose(pixels[4, 4], [k * 20, 140 * k % 256, 255 - k * 20], atol=6)


def test_splits_are_the_tables_own(table):
    sizes = {split: len(own_faces(split, path=str(table))) for split in ("train", "test", "all")}
    assert sizes == {"train": 6, "test": 3, "all": 12}
    with pytest.raises(UserError, match=r"split 'dev'; there are 3 test, 6 train, 3 validation"):
        own_faces("dev", path=str(table))


def test_packed_faces_are_the_same_to_the_byte(table, tmp_path, capsys, monkeypatch):
    folder = tmp_path / "packed" / "faces"
    assert agejax_command(capsys, monkeypatch, "pack", table, folder)[0] == 0
    for split in ("train", "validation", "test"):
        a, b = (own_faces(split, path=str(path)) for path in (table, folder))
        for field in ("path", "sha256", "person"):
            np.testing.assert_array_equal(getattr(a, field), getattr(b, field))
        for field in ("labels", "known", "upto", "attributes"):
            ours, theirs = getattr(a, field), getattr(b, field)
            assert ours.keys() == theirs.keys()
            for name in ours:
                np.testing.assert_array_equal(ours[name], theirs[name])
                assert ours[name].dtype == theirs[name].dtype
        assert a.read(a.rows) == b.read(b.rows)
    assert agejax_command(capsys, monkeypatch, "pack", table, folder)[0] == 2
    assert sorted(os.listdir(folder.parent)) == ["faces"]
    (folder / "faces.npz").write_bytes(b"PK no more")
    with pytest.raises(UserError, match="pack the table again"):
        own_faces("train", path=str(folder))


def test_another_root(table, tmp_path):
    (tmp_path / "else").mkdir()
    moved = shutil.copy(table, tmp_path / "else")
    with pytest.raises(UserError, match=r"12 of its rows cannot be used .*Paths start from .*else"):
        own_faces("train", path=moved)
    assert len(own_faces("train", path=moved, root=str(tmp_path))) == 6


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("x,00.webp,p,300,f,train", "row 14: an age outside 0..100: '300'"),
        ("x,gone.jpg,p,3,f,train", "row 14: an image that cannot be read: gone.jpg"),
        ("x,05.jpg,p,3,f,train", "the path of another row, too: 05.jpg|cannot be read: 05.jpg"),
        ("x,00.webp,p,3,f", "row 14: not 6 cells: 5"),
        ("x,../00.webp,p,3,f,train", "row 14: a path that leads outside"),
    ],
)
def test_a_row_that_cannot_be_used_is_refused_in_one_line(table, row, said):
    table.write_text(table.read_text() + row + "\n")
    with pytest.raises(UserError, match=said) as error:
        open_table(table, None)
    assert "\n" not in str(error.value)
    assert f"agejax check {table}" in str(error.value)


@pytest.mark.parametrize(
    ("path", "said"),
    [
        (None, "config.data.path is not set"),
        ("none.csv", "no such table"),
        ("{tmp}", "not one that `agejax pack` wrote"),
        ("{tmp}/empty.csv", "there is no face in it"),
    ],
)
def test_what_is_no_table_of_faces(tmp_path, path, said):
    (tmp_path / "empty.csv").write_text("path,age\n")
    with pytest.raises(UserError, match=said):
        own_faces("train", path=path and path.format(tmp=tmp_path))


def test_lines_of_json_need_not_have_the_same_keys(tmp_path):
    (tmp_path / "a.jpg").write_bytes(jpeg(20))
    (tmp_path / "b.jpg").write_bytes(jpeg(40))
    table = tmp_path / "faces.jsonl"
    table.write_text('{"path": "b.jpg"}\n{"path": "a.jpg", "race": "x", "person": "p"}\n')
    faces = own_faces("all", path=str(table))
    assert faces.attributes["race"].tolist() == ["x", "unknown"]
    assert faces.person.tolist() == ["p", "unknown 1"]


def test_half_a_character_in_json_is_no_text(tmp_path):
    table = tmp_path / "faces.jsonl"
    (tmp_path / "a.jpg").write_bytes(jpeg(20))
    table.write_text('{"path": "a.jpg"}\n{"path": "b.jpg", "person": "\\ud83d"}\n')
    with pytest.raises(UserError, match="row 2: a cell that is not text"):
        own_faces("all", path=str(table))


def test_a_changed_table_is_read_again(table):
    assert len(own_faces("all", path=str(table))) == 12
    lines = table.read_text().splitlines()[:-1]
    table.write_text("\n".join(lines) + "\n")
    os.utime(table, ns=(1, 1))
    assert len(own_faces("all", path=str(table))) == 11


def test_an_image_beyond_the_limits_is_not_decoded(tmp_path):
    scan = b"\xff\xda\x00\x02"
    (tmp_path / "good.jpg").write_bytes(good := jpeg(3))
    (tmp_path / "many.jpg").write_bytes(good[:-2] + scan * 200 + good[-2:])
    (tmp_path / "faces.csv").write_text("path,age\ngood.jpg,3\nmany.jpg,4\n")
    faces = own_faces("all", path=str(tmp_path / "faces.csv"))
    read = dict(zip(faces.path.tolist(), faces.read(np.arange(2)), strict=True))
    assert read == {"good.jpg": good, "many.jpg": b""}
    with pytest.raises(BadImage):
        decode(read["many.jpg"], 8)
