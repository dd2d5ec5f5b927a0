"""`agejax export` as a person types it: what it leaves, and what it says where it cannot."""

import hashlib
import json
import shutil
import sys

import numpy as np
import pytest

import agejax
from agejax.checkpoints.manifest import seal
from agejax.checkpoints.run_dir import of_the_run
from agejax.data.decode import decode
from agejax.evaluation.open_split import open_split
from tests.commands import agejax_command

onnxruntime = pytest.importorskip("onnxruntime", reason="needs the extra onnx")
pytest.importorskip("onnx", reason="needs the extra onnx")
pytest.importorskip("flatbuffers", reason="needs the extra stablehlo")

from agejax.exporters import onnx_file, stablehlo  # noqa: E402

pytestmark = pytest.mark.usefixtures("quick_compilation")


@pytest.fixture
def export(capsys, monkeypatch):
    return lambda *args: agejax_command(capsys, monkeypatch, "export", *args)


@pytest.fixture(scope="module")
def crops(run):
    faces = open_split(of_the_run(run, {}), "test")
    return np.stack([decode(jpeg, 16) for jpeg in faces.read(faces.rows)])


@pytest.mark.parametrize("form", [onnx_file, stablehlo], ids=["onnx", "stablehlo"])
def test_predict_equals_the_exported(export, run, crops, form, tmp_path):
    file = tmp_path / f"model{form.SUFFIX}"
    kind = form.__name__.rpartition(".")[2].removesuffix("_file")
    code, out, _ = export(run, "--to", kind, "--out", file)
    assert code == 0
    assert "test faces of the run's data" in out
    found = form.read(file)(crops)
    for i, face in enumerate(agejax.load(run).predict(crops)):
        for name in ("age", "age_low", "age_high"):
            assert found[name][i] == pytest.approx(getattr(face, name), abs=0.01)
        for task, p in face.probabilities.items():
            np.testing.assert_allclose(found[f"{task}_probabilities"][i], p, atol=1e-4)


def test_the_sidecar_says_what_a_caller_needs(export, run, tmp_path):
    copy = tmp_path / "a run"
    shutil.copytree(run, copy)
    told = {"data": {"about": {"licence": "for hermits only"}}}
    (copy / "eval" / "test.json").write_text(json.dumps(told))
    (copy / "eval" / "odd.json").write_text("[")
    code, out, _ = export(copy, "--to", "onnx")
    assert code == 0
    assert "for hermits only" in out
    file = copy / "export" / "a run.onnx"
    about = json.loads((copy / "export" / "a run.onnx.json").read_text())
    assert about["file"]["sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()
    assert about["labels"]["gender"] == ["F", "M"]
    assert about["labels"]["age"] == list(range(101))
    assert about["crop"]["margin"] == 0.4
    assert about["input"]["shape"] == ["batch", 16, 16, 3]
    assert about["data_licence"] == "for hermits only"
    assert about["checked"]["probability"] < 1e-4
    assert {"agejax", "jax", "onnx", "onnxruntime"} <= about["versions"].keys()
    session = onnxruntime.InferenceSession(file)
    assert set(about["outputs"]) == {x.name for x in session.get_outputs()}
    for x in session.get_outputs():
        assert x.shape == about["outputs"][x.name]["shape"]
    inside = json.loads(session.get_modelmeta().custom_metadata_map["agejax"])
    assert inside["calibration"] == about["calibration"]


def test_an_export_is_the_same_bytes_every_time(export, run, tmp_path):
    for name in ("a.onnx", "b.onnx"):
        assert export(run, "--to", "onnx", "--out", tmp_path / name)[0] == 0
    assert (tmp_path / "a.onnx").read_bytes() == (tmp_path / "b.onnx").read_bytes()
    assert len(list(tmp_path.iterdir())) == 4


def with_config(run, copy, **changes):
    """A copy of a run with another config in its checkpoints."""
    shutil.copytree(run, copy)
    for file in copy.glob("checkpoints/*/config/metadata"):
        config = json.loads(json.loads(file.read_text())["json"])
        for section, values in changes.items():
            config[section].update(values)
        file.write_text(json.dumps({"json": json.dumps(config)}))
        seal(file.parent.parent, int(file.parent.parent.name))
    return copy


def test_a_run_in_bfloat16_becomes_float32_and_says_so(export, run, tmp_path):
    copy = with_config(run, tmp_path / "rough", model={"dtype": "bfloat16"})
    code, out, _ = export(copy, "--to", "onnx")
    assert code == 0
    assert "were compared in float32" in out
    assert "bfloat16" in out


def test_painted_faces_stand_in_for_data_that_is_gone(export, run, tmp_path):
    gone = str(tmp_path / "gone")
    copy = with_config(run, tmp_path / "moved", data={"manual_dir": gone, "data_dir": gone})
    code, out, _ = export(copy, "--to", "onnx")
    assert code == 0
    assert "painted faces" in out


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["{tmp}", "--to", "onnx"], "no trained run"),
        (["{run}", "--to", "onnx", "--checkpoint", "77777"], "no checkpoint '77777'"),
        (["{run}", "--to", "onnx", "--out", "{tmp}"], "is a folder"),
        (["{run}", "--to", "onnx", "--out", "{tmp}/file/x.onnx"], "file"),
        (["{run}", "--to", "onnx", "--ort", "{tmp}"], "--ort is for --to web"),
    ],
)
def test_what_is_wrong_is_one_line(export, run, tmp_path, args, said):
    (tmp_path / "file").write_text("")
    code, out, err = export(*(arg.format(run=run, tmp=tmp_path) for arg in args))
    assert (code, out) == (2, "")
    assert len(err.splitlines()) == 1
    assert said in err
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize(
    ("kind", "package"), [("onnx", "onnx"), ("onnx", "onnxruntime"), ("stablehlo", "flatbuffers")]
)
def test_a_missing_extra_is_one_line(export, run, tmp_path, monkeypatch, kind, package):
    for name in [m for m in sys.modules if m.startswith(("agejax.exporters.", package))]:
        monkeypatch.delitem(sys.modules, name)
    for name in [m for m in sys.modules if m.startswith("jax._src.export.serialization")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    code, _, err = export(run, "--to", kind, "--out", tmp_path / "x")
    assert code == 2
    assert f"pip install 'agejax[{kind}]'" in err
    assert not list(tmp_path.iterdir())
