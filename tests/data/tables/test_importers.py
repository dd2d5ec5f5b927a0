import csv
import io
import shutil

import pytest

from agejax.data.tables.importers import Meaning, from_names, pattern_of
from agejax.errors import UserError
from tests.commands import agejax_command
from tests.data.tables.conftest import jpeg


@pytest.fixture
def agejax_(capsys, monkeypatch):
    return lambda *args: agejax_command(capsys, monkeypatch, *args)


def images(folder, *names):
    for i, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(jpeg(i))


def rows(text):
    return list(csv.DictReader(io.StringIO(text)))


def test_utkface(agejax_, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    images(
        tmp_path / "UTKFace",
        "25_0_3_20170116174525125.jpg.chip.jpg",
        "9_1_0_20170116174525125.jpg",
        "61_1_20170109142408075.jpg.chip.jpg",
        "110_1_0_20170116174525125.jpg",
    )
    code, out, err = agejax_("import", "utkface", "UTKFace")
    assert code == 0
    assert rows(out) == [
        {
            "path": "UTKFace/25_0_3_20170116174525125.jpg.chip.jpg",
            **{"age": "25", "gender": "male", "race": "indian"},
        },
        {
            "path": "UTKFace/9_1_0_20170116174525125.jpg",
            **{"age": "9", "gender": "female", "race": "white"},
        },
    ]
    assert "2 faces imported, 2 left out" in err
    assert "an age outside 0..100, such as UTKFace/110_1_0" in err
    assert "does not fit the pattern" in err or "a race that is not one of" in err


def test_fairface(agejax_, tmp_path):
    images(tmp_path / "fair", "train/1.jpg", "val/1.jpg")
    shutil.copy(tmp_path / "fair/val/1.jpg", tmp_path / "fair/train/2.jpg")
    head = "file,age,gender,race,service_test\n"
    (tmp_path / "fair/fairface_label_train.csv").write_text(
        head + "train/1.jpg,50-59,Male,East Asian,True\ntrain/2.jpg,3-9,Male,White,True\n"
    )
    (tmp_path / "fair/fairface_label_val.csv").write_text(
        head + "val/1.jpg,more than 70,Female,White,True\n"
    )
    out = tmp_path / "faces.csv"
    code, _, err = agejax_("import", "fairface", tmp_path / "fair", "-o", out)
    assert code == 0
    assert "1 for a training image that is a validation image, too, such as " in err
    assert rows(out.read_text()) == [
        {
            **{"path": "fair/train/1.jpg", "age": "50-59", "gender": "Male"},
            **{"race": "East Asian", "split": "train"},
        },
        {
            **{"path": "fair/val/1.jpg", "age": "more than 70", "gender": "Female"},
            **{"race": "White", "split": "test"},
        },
    ]


def test_a_pattern_of_names_and_of_folders(agejax_, tmp_path):
    images(tmp_path / "AgeDB", "10_Al_Pacino_50_m.jpg", "11_AnnaMagnani_33_f.jpg")
    out = tmp_path / "faces.csv"
    given = ["--pattern", "{}_{person}_{age}_{gender}.jpg", "-o", out]
    assert agejax_("import", "names", tmp_path / "AgeDB", *given)[0] == 0
    assert [(r["person"], r["age"], r["gender"]) for r in rows(out.read_text())] == [
        ("Al_Pacino", "50", "m"),
        ("AnnaMagnani", "33", "f"),
    ]
    images(tmp_path / "by", "train/20-29/x.jpg", "train/70+/y.jpg")
    found = from_names(tmp_path / "by", "{split}/{age}/*", Meaning())
    assert [(x.cells["split"], x.cells["age"]) for x in found] == [
        ("train", "20-29"),
        ("train", "70+"),
    ]


def test_the_issues_own_example(agejax_, tmp_path):
    images(tmp_path / "x", "25_1_3_a.jpg", "30_2_3_b.jpg")
    given = ["--pattern", "{age}_{gender}_{race}_*.jpg", "--gender", "0=male,1=female"]
    code, out, err = agejax_("import", "names", tmp_path / "x", *given)
    assert [r["gender"] for r in rows(out)] == ["female"]
    assert "1 for a gender that is not one of 0, 1" in err


def test_another_table_gets_our_columns(agejax_, tmp_path):
    file = tmp_path / "theirs.csv"
    file.write_text("Image;Years;sex\nb.jpg;30;1\na.jpg;20-29;0\n")
    given = ["--rename", "path=image,age=years,gender=sex", "--gender", "0=male,1=female"]
    _, out, _ = agejax_("import", "table", file, *given)
    assert rows(out) == [
        {"path": "a.jpg", "age": "20-29", "gender": "male"},
        {"path": "b.jpg", "age": "30", "gender": "female"},
    ]


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["utkface", "{tmp}/none"], "no such folder"),
        (["utkface", "{tmp}"], "no image"),
        (["names", "{tmp}"], "needs --pattern"),
        (["utkface", "{tmp}", "--pattern", "{{age}}"], "--pattern is for names"),
        (["names", "{tmp}/x", "--pattern", "*.jpg"], "must name columns"),
        (["names", "{tmp}/x", "--pattern", "{{age}}.jpg"], "no face could be imported"),
        (["names", "{tmp}/x", "--pattern", "{{age}}", "--gender", "0male"], "must be pairs"),
        (["table", "{tmp}/none.csv"], "no such table"),
        (["fairface", "{tmp}"], "fairface_label_train.csv: there is no such table"),
        (["tfds", "{tmp}", "--images", "{tmp}/i"], "there is no split 'train'"),
    ],
)
def test_what_cannot_be_imported_is_one_line(agejax_, tmp_path, args, said):
    images(tmp_path / "x", "one.jpg") if "x" in "".join(args[1:2]) else None
    code, out, err = agejax_("import", *(arg.format(tmp=tmp_path) for arg in args))
    assert (code, out) == (2, "")
    assert len(err.splitlines()) == 1
    assert said in err


def test_a_failed_import_leaves_the_table_that_was_there(agejax_, tmp_path):
    out = tmp_path / "faces.csv"
    out.write_text("mine")
    assert agejax_("import", "utkface", tmp_path / "none", "-o", out)[0] == 2
    assert out.read_text() == "mine"
    assert [p.name for p in tmp_path.iterdir()] == ["faces.csv"]


def test_patterns_stand_for_themselves():
    assert pattern_of("{age}.(x)_*").fullmatch("3.(x)_y")
    assert not pattern_of("{age}.jpg").fullmatch("3xjpg")
    with pytest.raises(UserError, match="each once"):
        pattern_of("{age}_{age}")
