"""Published lists of faces, in the formats in which they are distributed."""

import csv
import io
import json

import numpy as np
import pytest
from PIL import Image

from tests.commands import agejax_command
from tests.data.tables.conftest import jpeg


@pytest.fixture
def imported(capsys, monkeypatch, tmp_path):
    """Imports a list: its rows by path, and what is said of it."""
    monkeypatch.chdir(tmp_path)

    def run(*args):
        code, out, err = agejax_command(capsys, monkeypatch, "import", *args)
        assert code == 0, err
        return {row.pop("path"): row for row in csv.DictReader(io.StringIO(out))}, err

    return run


def images(folder, *names):
    for i, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(jpeg(i))


def entry(path, folder, **more):
    return {"img_path": path, "age": 30, "gender": "F", "database": "X", "folder": folder, **more}


def test_a_database_of_the_benchmark(imported, tmp_path):
    images(tmp_path / "faces", "AgeDB/1_A_30_f.jpg", "AgeDB/2_B _41_m.jpg", "AgeDB/3.jpg")
    entries = [
        entry("AgeDB/1_A_30_f.jpg", 8, name="A", aligned_bbox=[0, 0, 9, 0, 9, 9, 0, 9]),
        entry("AgeDB/2_B _41_m.jpg", 0, name="B ", age=41, gender="M"),
        entry("AgeDB/3.jpg", 5, id_num=7, age=-1, gender="U"),
        entry("AgeDB/4.jpg", 5, id_num=7),
        entry("../secret.jpg", 5),
    ]
    (tmp_path / "AgeDB.json").write_text(json.dumps(entries, indent=4))
    found, err = imported("benchmark", "AgeDB.json", "--root", "faces")
    assert found == {
        "faces/AgeDB/1_A_30_f.jpg": {"age": "30", "gender": "F", "person": "A", "fold": "8"},
        "faces/AgeDB/2_B _41_m.jpg": {"age": "41", "gender": "M", "person": "B", "fold": "0"},
    }
    assert "2 faces imported, 3 left out" in err
    assert "1 for neither an age nor a gender" in err
    assert "1 for an image that is not there" in err
    assert "1 for a path that leads outside" in err


def test_folders_of_a_set_with_one_split_are_splits(imported, tmp_path):
    images(tmp_path, "a.jpg", "b.jpg", "c.jpg")
    entries = [entry(f"{name}.jpg", i) for i, name in enumerate("abc")]
    (tmp_path / "CLAP2016.json").write_text(json.dumps(entries))
    found, _ = imported("benchmark", "CLAP2016.json")
    splits = {path: row["split"] for path, row in found.items()}
    assert splits == {"a.jpg": "train", "b.jpg": "validation", "c.jpg": "test"}


HEAD = "filename,age,gender,x_min,y_min,x_max,y_max,head_roll,head_yaw,head_pitch\n"


def test_imdb_clean(imported, tmp_path):
    names = [f"0{i}/nm000000{i}_rm1_1955-1-6_2003.jpg" for i in range(3)]
    images(tmp_path / "imdb-clean-1024", *names)
    (tmp_path / "csvs").mkdir()
    for split, name in zip(("train", "valid", "test"), names, strict=True):
        row = f"{name},48,M,5,5,15,15,0.1,0.2,0.3\n"
        (tmp_path / "csvs" / f"imdb_{split}_new_1024.csv").write_text(HEAD + row)
        (tmp_path / "csvs" / f"imdb_{split}_new.csv").write_text(HEAD + row)  # of whole photos
    (tmp_path / "csvs" / "imdb_1024_retinaface_predictions.csv").write_text("filename,x\na,1\n")
    found, err = imported("imdb_clean", "csvs", "--root", "imdb-clean-1024")
    splits = ("train", "validation", "test")
    assert found == {
        f"imdb-clean-1024/{name}": {
            **{"age": "48", "gender": "M", "person": f"nm000000{i}", "split": splits[i]}
        }
        for i, name in enumerate(names)
    }
    assert "3 faces imported, 0 left out" in err


MIVOLO = "img_name,age,gender,face_x0,face_y0,face_x1,face_y1"
MIVOLO += ",person_x0,person_y0,person_x1,person_y1\n"


def test_mivolo_with_two_faces_in_an_image_whose_faces_are_cut_out(imported, tmp_path):
    pixels = np.zeros((60, 90, 3), np.uint8)
    pixels[10:30, 10:30] = 250, 0, 0
    pixels[30:50, 60:80] = 0, 0, 250
    (tmp_path / "img").mkdir()
    Image.fromarray(pixels).save(tmp_path / "img" / "a.png")
    (tmp_path / "utk_train.csv").write_text(
        MIVOLO
        + "a.png,38;43,F,10,10,30,30,-1,-1,-1,-1\n"
        + "a.png,60;100,M,60,30,80,50,-1,-1,-1,-1\n"
        + "a.png,-1,-1,0,0,5,5,-1,-1,-1,-1\n"
        + "a.png,30,M,-1,-1,-1,-1,3,3,9,9\n"
        + "a.png,30,M,0,0,1e9,1e9,3,3,9,9\n"
    )
    whole, err = imported("mivolo", "utk_train.csv", "--root", "img")
    assert list(whole) == ["img/a.png"]
    assert "3 for a second face of an image; --images cuts faces out" in err
    found, err = imported("mivolo", "utk_train.csv", "--root", "img", "--images", "faces")
    assert found == {
        "faces/a.jpg": {"age": "38-43", "gender": "F", "person": "", "split": "train"},
        "faces/a-2.jpg": {"age": "60-100", "gender": "M", "person": "", "split": "train"},
    }
    assert "2 for a box that no face has" in err
    for path, colour in (("faces/a.jpg", 0), ("faces/a-2.jpg", 2)):
        crop = np.asarray(Image.open(tmp_path / path)).astype(int)
        assert crop.shape == (36, 36, 3)  # 20 pixels, and 40% of them on each side
        assert crop[18, 18, colour] > 200
        assert crop[3, 3].max() < 60


def test_an_aligned_box_that_is_turned_is_cut_upright(imported, tmp_path):
    pixels = np.zeros((100, 100, 3), np.uint8)
    pixels[:, 50:] = 255
    Image.fromarray(pixels).save(tmp_path / "a.png")
    turned = [70, 30, 70, 70, 30, 70, 30, 30]  # whose upper edge is at the right of the image
    (tmp_path / "db.json").write_text(json.dumps([entry("a.png", 3, aligned_bbox=turned)]))
    found, _ = imported("benchmark", "db.json", "--images", "faces")
    assert list(found) == ["faces/a.jpg"]
    crop = np.asarray(Image.open(tmp_path / "faces" / "a.jpg")).mean(2)
    assert crop.shape == (40, 40)
    assert crop[:18].min() > 200
    assert crop[22:].max() < 60


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["benchmark", "nowhere.json"], "there is no such table"),
        (["imdb_clean", "."], "there is no list of imdb_clean in this folder"),
        (["benchmark", "."], "name one database, such as"),
        (["benchmark", "a.json"], "no column 'img_path'"),
        (["mivolo", "x.csv"], "no column 'img_name'"),
        (["mivolo", "x.csv", "--gender", "0=male"], "--gender is for names and table"),
        (["utkface", ".", "--root", "x"], "--root is for benchmark and imdb_clean and mivolo"),
        (["mivolo", "m.csv", "--images", "."], "is not empty; name a new folder"),
        (["mivolo", "m.csv"], "no face could be imported"),
    ],
)
def test_what_is_no_list_is_one_line(capsys, monkeypatch, tmp_path, args, said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.json").write_text("version https://git-lfs.github.com/spec/v1\n")
    (tmp_path / "b.json").write_text("[]")
    (tmp_path / "x.csv").write_text("path,age\na.jpg,3\n")
    (tmp_path / "m.csv").write_text(MIVOLO + "a.jpg,30,M,0,0,9,9,0,0,9,9\n")
    code, out, err = agejax_command(capsys, monkeypatch, "import", *args)
    assert (code, out, err.count("\n")) == (2, "", 1), err
    assert said in err
