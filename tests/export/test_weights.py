"""Exports as one file, and of such a file: what is lost is told, and half weights stay half."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import agejax
from agejax.checkpoints import weights_file
from agejax.checkpoints.run_dir import read_checkpoint
from agejax.errors import UserError
from agejax.exporters import artefact
from agejax.exporters.function import Trained
from agejax.exporters.weights import export_weights
from agejax.metrics.challenge import fit_challenge
from agejax.steps.model_factory import abstract_model
from tests.commands import agejax_command

CROPS = np.random.default_rng(0).integers(0, 256, (3, 16, 16, 3), np.uint8)


def test_a_run_is_exported_and_read_again(run, tmp_path, capsys, monkeypatch):
    out = tmp_path / "one.safetensors"
    args = ("export", run, "--to", "weights", "--out", out, "--licence", "mine")
    code, told, err = agejax_command(capsys, monkeypatch, *args)
    assert code == 0, err
    assert "test faces of the run's data its probabilities are within" in told
    assert list(tmp_path.iterdir()) == [out]
    run_, file = agejax.load(run).probabilities(CROPS), agejax.load(out).probabilities(CROPS)
    for task, p in run_.items():
        np.testing.assert_allclose(file[task], p, atol=0.01)
    assert Trained.load(out).licence.startswith("Apache-2.0")  # the data's own, not "mine"


def test_tasks_can_be_left_out(run, tmp_path):
    trained = Trained.load(run)
    with pytest.raises(UserError, match="has no task 'race'; its tasks are age, gender"):
        trained.of_tasks(["age", "race"])
    with pytest.raises(UserError, match="config.tasks has no gender"):
        agejax.export(run, "weights", tmp_path / "a", tasks=["age"])
    kept = trained.of_tasks(["age", "gender"])
    for name, ours in artefact.read_by_jax(kept, CROPS).items():
        np.testing.assert_array_equal(ours, artefact.read_by_jax(trained, CROPS)[name])
    assert list(tmp_path.iterdir()) == []


def test_a_third_task_is_left_out(run, tiny, tmp_path):
    with tiny.unlocked():
        tiny.tasks.race = {"classes": 7}
    graph, like = abstract_model(tiny)
    rng = np.random.default_rng(0)
    drawn = lambda x: np.abs(rng.normal(0, 0.1, x.shape)).astype(x.dtype)  # variances, too
    weights = jax.tree.map(drawn, dict(like))
    three = dataclasses.replace(Trained.load(run), config=tiny, graph=graph, weights=weights)
    export_weights(three.of_tasks(["age", "gender"]), tmp_path / "two", "float32")
    two = read_checkpoint(tmp_path / "two")
    assert list(two.config.tasks) == ["age", "gender"]
    whole = artefact.read_by_jax(three, CROPS)
    for name, ours in artefact.read_by_jax(Trained.load(tmp_path / "two"), CROPS).items():
        np.testing.assert_allclose(ours, whole[name], atol=1e-5)


def test_challenge_ages_stay_where_tasks_are_left_out(run, tmp_path):
    limits = fit_challenge(np.full((400, 101), 1 / 101), 18, 0.01)
    trained = Trained.load(run)
    fitted = dataclasses.replace(trained.calibration, challenge={"18": limits})
    trained = dataclasses.replace(trained, calibration=fitted)
    export_weights(trained.of_tasks(["age", "gender"]), tmp_path / "m")
    assert read_checkpoint(tmp_path / "m").calibration.challenge == {"18": limits}


def test_a_file_that_predicts_otherwise_is_not_kept(run, tmp_path, monkeypatch):
    odd = jax.tree.map(lambda x: x * 3, dict(Trained.load(run).weights))
    monkeypatch.setattr(weights_file, "_weights", lambda path, like, stored: odd)
    with pytest.raises(UserError, match="differ from the checkpoint's by .* it was not kept"):
        agejax.export(run, "weights", tmp_path / "m.safetensors")
    assert list(tmp_path.iterdir()) == []


def test_options_that_do_not_go_together_are_one_line(run, capsys, monkeypatch):
    for args in (["--to", "onnx", "--dtype", "float32"], ["--to", "weights", "--ort", "."]):
        code, _, err = agejax_command(capsys, monkeypatch, "export", run, *args)
        assert (code, len(err.splitlines())) == (2, 1)
    with pytest.raises(UserError, match="there is no export to 'tflite'"):
        agejax.export(run, "tflite")


def test_weights_that_float16_holds_take_half_the_bytes():
    pytest.importorskip("onnx", reason="needs the extra onnx")
    import onnxruntime

    from agejax.exporters.graph import to_onnx

    rng = np.random.default_rng(0)
    half = rng.normal(size=(64, 64)).astype(np.float16).astype(np.float32)
    scale = rng.normal(size=64).astype(np.float32)
    x = rng.normal(size=(2, 64)).astype(np.float32)

    def function(weights, x):
        return {"y": x @ (weights["kernel"] * weights["scale"][None])}

    def exported(kernel):
        weights = {"kernel": kernel, "scale": scale}
        model = to_onnx(function, weights, (64,), np.float32).SerializeToString()
        session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
        np.testing.assert_allclose(
            session.run(None, {"image": x})[0],
            jnp.asarray(x) @ (kernel * scale[None]),
            rtol=1e-4,
            atol=1e-4,
        )
        return len(model)

    assert exported(half) < exported(half * np.float32(1.0001)) - half.size
