"""`agejax predict`: files, photos, lists of paths."""

import csv
import io
import json
import shutil
import sys

import numpy as np
import pytest
from PIL import Image


def test_predict_prints_a_line_a_face(agejax_, run, photos):
    code, out, err = agejax_("predict", photos, "--checkpoint", run)
    assert (code, err) == (0, "")
    assert len(out.splitlines()) == 7
    for line, photo in zip(out.splitlines(), sorted(photos.iterdir()), strict=True):
        assert line.startswith(f"{photo}: ")
        assert line.split(": ")[1][:2] in ("F/", "M/")


def test_predict_writes_json_and_csv_of_the_same_faces(agejax_, run, photos):
    _, out, _ = agejax_("predict", photos, "--checkpoint", run, "--json", "--batch-size", 3)
    lines = [json.loads(line) for line in out.splitlines()]
    assert [line["path"] for line in lines] == [str(p) for p in sorted(photos.iterdir())]
    for line in lines:
        assert line["age_low"] <= line["age"] <= line["age_high"]
        assert line["gender"] in ("F", "M")
        assert 0.5 <= line["gender_probability"] <= 1
    _, out, _ = agejax_("predict", photos, "--checkpoint", run, "--csv")
    rows = list(csv.DictReader(io.StringIO(out)))
    assert [float(row["age"]) for row in rows] == pytest.approx([x["age"] for x in lines], abs=1e-3)
    assert list(rows[0])[:8] == ["path", "face", *list(lines[0])[2:8]]
    assert not any(row["x"] for row in rows)  # crops: the face is the image


def test_one_bad_file_does_not_cost_the_others(agejax_, run, photos):
    (photos / "a broken one.jpg").write_bytes(b"\xff\xd8 no more")
    code, out, err = agejax_("predict", photos, "--checkpoint", run, "--json")
    assert code == 2
    assert len(out.splitlines()) == 7
    assert len(err.splitlines()) == 1
    assert "a broken one.jpg" in err


@pytest.fixture
def party(tmp_path):
    """A folder of a photo of three, one of nobody, and one that is damaged."""
    from tests.photos import backdrop, encoded, group_photo

    folder = tmp_path / "party"
    folder.mkdir()
    (folder / "group.jpg").write_bytes(encoded(group_photo(), quality=95))
    (folder / "nobody.png").write_bytes(encoded(backdrop(), "PNG"))
    (folder / "torn.jpg").write_bytes(encoded(backdrop())[:4000])
    return folder


def test_photos_are_a_line_a_face_and_no_face_is_said(agejax_, run, party):
    code, out, err = agejax_("predict", party, "--checkpoint", run, "--margin", 0.34)
    assert code == 2
    assert [line.partition(": ")[0] for line in out.splitlines()] == [
        *(f"{party}/group.jpg, face {i} of 3" for i in (1, 2, 3)),
        f"{party}/nobody.png",
    ]
    assert out.endswith(": no face\n")
    assert len(err.splitlines()) == 1
    assert "torn.jpg" in err


def test_photos_as_json_and_csv_tell_boxes(agejax_, run, party):
    (party / "torn.jpg").unlink()
    _, out, _ = agejax_("predict", party, "--checkpoint", run, "--json", "--distribution")
    lines = [json.loads(line) for line in out.splitlines()]
    assert [line["face"] for line in lines] == [1, 2, 3, None]
    assert all(len(line["box"]) == 4 for line in lines[:3])
    assert sum(lines[0]["age_distribution"]) == pytest.approx(1, abs=1e-3)
    _, out, _ = agejax_("predict", party, "--checkpoint", run, "--csv")
    rows = list(csv.DictReader(io.StringIO(out)))
    assert [float(row["x"]) for row in rows[:3]] == [line["box"][0] for line in lines[:3]]
    assert (rows[3]["path"], rows[3]["age"]) == (f"{party}/nobody.png", "")


def test_crops_reads_each_image_as_one_face(agejax_, run, party):
    _, out, _ = agejax_("predict", party / "group.jpg", "--checkpoint", run, "--crops")
    assert len(out.splitlines()) == 1


def test_annotate_draws_what_was_read(agejax_, run, party, tmp_path):
    (party / "torn.jpg").unlink()
    (party / "deeper").mkdir()
    shutil.copy(party / "group.jpg", party / "deeper" / "group.jpg")
    drawn = tmp_path / "drawn"
    code, out, err = agejax_("predict", party, "--checkpoint", run, "--annotate", drawn)
    assert (code, err) == (0, "")
    names = {path.name for path in drawn.iterdir()}
    assert names == {"group-faces.jpg", "group-2-faces.jpg", "nobody-faces.jpg"}
    before, after = (Image.open(p) for p in (party / "group.jpg", drawn / "group-faces.jpg"))
    difference = np.abs(np.asarray(before).astype(int) - np.asarray(after))
    changed = (difference > 60).any(-1)
    assert 0.01 < changed.mean() < 0.2
    again = agejax_("predict", drawn, "--checkpoint", run, "--annotate", drawn)
    assert again[0] == 2
    assert "give another folder" in again[2]


def test_an_annotate_folder_that_cannot_be_is_one_line(agejax_, run, photos, tmp_path):
    (tmp_path / "file").write_text("")
    code, _, err = agejax_("predict", photos, "--checkpoint", run, "--annotate", tmp_path / "file")
    assert code == 2
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize("kind", ["image", "list"])
def test_standard_input_is_an_image_or_a_list_of_paths(agejax_, run, photos, monkeypatch, kind):
    files = sorted(photos.iterdir())
    data = files[0].read_bytes()
    if kind == "list":
        data = "\n".join([*map(str, files), "", "gone.jpg"]).encode()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
    code, out, err = agejax_("predict", "-", "--checkpoint", run)
    if kind == "image":
        assert code == 0
        assert out.startswith("stdin: ")
    else:
        assert code == 2
        assert [x.partition(": ")[0] for x in out.splitlines()] == list(map(str, files))
        assert err == "error: gone.jpg: No such file or directory\n"


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["-"], "standard input is empty"),
        (["-", "{photos}"], "stands alone"),
        (["{photos}", "--margin", "-1"], "margin is -1"),
        (["{photos}", "--decoding", "modus"], "modus"),
        (["{photos}", "--distribution"], "--json"),
    ],
)
def test_arguments_that_cannot_be_meant_are_one_line(agejax_, run, photos, monkeypatch, args, said):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"")))
    filled = [text.format(photos=photos) for text in args]
    code, out, err = agejax_("predict", *filled, "--checkpoint", run)
    assert (code, out) == (2, "")
    assert len(err.splitlines()) == 1
    assert said in err
