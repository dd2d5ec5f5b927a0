"""`agejax calibrate --by`: predictions, evaluation and exports have the same intervals."""

import dataclasses
import json
import shutil

import jax
import numpy as np
import pytest

import agejax
from agejax.checkpoints.checkpoint import Checkpoints
from agejax.checkpoints.own_data import remember
from agejax.checkpoints.run_dir import of_the_run, read_checkpoint
from agejax.config import to_json
from agejax.evaluation.evaluate import evaluate
from agejax.exporters.function import Trained, read
from agejax.metrics.calibration import age_interval
from agejax.metrics.interval_groups import group_of, names_of
from agejax.reports.evaluation import open_evaluation
from agejax.types import Weights
from tests.commands import agejax_command

pytestmark = pytest.mark.usefixtures("quick_compilation")
KIND = "predicted age*gender"


@pytest.fixture
def agejax_(capsys, monkeypatch):
    return lambda *args: agejax_command(capsys, monkeypatch, *args)


@pytest.fixture(scope="module")
def grouped(run, tmp_path_factory):
    """(the run with intervals by predicted age and gender, the result of `calibrate`)."""
    out = tmp_path_factory.mktemp("grouped") / "run"
    return out, agejax.calibrate(run, out, by=("gender", "age"))


@pytest.fixture(scope="module")
def spread(run, tmp_path_factory):
    """A run that reads faces of many groups, each with a widening of its own or none."""
    shipped = read_checkpoint(run)
    steeper = lambda path, x: x * 10 if "heads" in (name := str(path)) and "kernel" in name else x
    weights = jax.tree_util.tree_map_with_path(steeper, dict(shipped.weights))
    names = names_of(["age", "gender"])
    planted = {
        name: {"n": 8, "widening": None} if i % 3 == 0 else {"n": 9, "widening": i / 40}
        for i, name in enumerate(names)
    }
    fitted = dataclasses.replace(
        shipped.calibration,
        widening={"age": -0.1},
        by_group={"age": {"by": ["age", "gender"], "groups": planted}},
    )
    out = shutil.copytree(run, tmp_path_factory.mktemp("spread") / "run")
    remember(of_the_run(run, {}))
    to, text = Checkpoints(out), to_json(shipped.config)
    to.save_weights(shipped.step + 1, Weights(**weights), text, 0.0, fitted)
    return out


@pytest.fixture(scope="module")
def crops(spread):
    """Crops that are not on the border of two groups, where rounding chooses one."""
    noise = np.random.default_rng(3).integers(0, 256, (80, 16, 16, 3), np.uint8)
    noise //= np.arange(1, 81, dtype=np.uint8).reshape(-1, 1, 1, 1)
    p = agejax.load(spread).probabilities(noise)
    moved = [
        group_of({"age": np.roll(p["age"], by, axis=1), "gender": p["gender"]}, ["age"])
        for by in (-1, 0, 1)
    ]
    clear = (np.ptp(p["gender"], axis=1) > 0.02) & (np.ptp(moved, axis=0) == 0)
    assert clear.sum() > 9
    return noise[clear]


def test_each_prediction_has_the_widening_of_its_group(spread, crops):
    model = agejax.load(spread)
    fitted = model.calibration.by_group["age"]
    own = [of["widening"] for of in fitted["groups"].values()]
    p, used = model.probabilities(crops), set()
    for i, face in enumerate(model.predict(crops)):
        group = group_of({task: of[i] for task, of in p.items()}, fitted["by"])
        used.add(own[group])
        expected = age_interval(p["age"][i], -0.1 if own[group] is None else own[group])
        assert (face.age_low, face.age, face.age_high) == pytest.approx(expected)
    assert len(used) > 2


def test_faces_of_a_group_teach_its_widening_and_few_do_not(grouped, run, crops):
    old, new = agejax.load(run), agejax.load(grouped[0])
    fitted = new.calibration.by_group["age"]["groups"]
    assert list(fitted) == names_of(["age", "gender"])
    for of in fitted.values():
        assert (of["widening"] is None) == (of["n"] < 9)
    assert max(of["n"] for of in fitted.values()) >= 9
    ages = [[face.age for face in of.predict(crops)] for of in (old, new)]
    np.testing.assert_allclose(*ages)  # only intervals change


def test_evaluation_has_the_coverage_by_predicted_and_by_true_groups(grouped):
    out, done = grouped
    figures = evaluate(of_the_run(out, {"eval.split": "validation"}), out)
    assert figures["groups"].keys() == {"decade", "gender", KIND}
    fitted = figures["calibration"]["by_group"]["age"]["groups"]
    for name, of in figures["groups"][KIND].items():
        assert of["n"] == fitted[name]["n"]
        if fitted[name]["widening"] is not None:  # the faces that it was fitted on
            assert of["coverage"] >= 0.9
    assert sum(of["n"] for of in fitted.values()) == figures["age"]["n"]
    assert done.after["groups"][KIND] == figures["groups"][KIND]
    opened = open_evaluation(out, "validation")
    low, _, high = opened.ages
    inside = (low <= opened.arrays["age_label"]) & (opened.arrays["age_label"] <= high)
    assert inside.mean() == pytest.approx(figures["age"]["interval"]["coverage"])


def test_exports_have_the_intervals_of_the_checkpoint(spread, crops, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime", reason="needs the extra onnx")
    out = spread
    file = agejax.export(out, "onnx", tmp_path / "x.onnx").path
    names = ("age_low", "age", "age_high")
    ours = np.array([[getattr(face, n) for n in names] for face in agejax.load(out).predict(crops)])
    theirs = onnxruntime.InferenceSession(file).run(names, {"image": crops})
    np.testing.assert_allclose(np.stack(theirs, axis=1), ours, atol=0.01)
    about = json.loads(file.with_name("x.onnx.json").read_text())
    assert list(about["calibration"]["by_group"]["age"]["groups"]) == names_of(["age", "gender"])


def test_stablehlo_and_a_file_of_weights_have_them_too(spread, crops, tmp_path):
    out = spread
    trained = Trained.load(out)
    p = {task: np.asarray(of) for task, of in agejax.load(out).probabilities(crops).items()}
    ours = read(p, trained.calibration)["age_low"]
    filed = agejax.load(agejax.export(out, "weights", tmp_path / "x.safetensors").path)
    assert filed.calibration == trained.calibration
    low = [face.age_low for face in filed.predict(crops)]
    np.testing.assert_allclose(
        low, read(filed.probabilities(crops), trained.calibration)["age_low"]
    )
    pytest.importorskip("flatbuffers", reason="needs the extra stablehlo")
    from agejax.exporters import stablehlo

    run = stablehlo.read(agejax.export(out, "stablehlo", tmp_path / "x.stablehlo").path)
    np.testing.assert_allclose(run(crops)["age_low"], ours, atol=0.01)


def test_it_is_printed_and_lost_only_with_a_word(grouped, agejax_, tmp_path):
    out, _ = grouped
    code, said, _ = agejax_("calibrate", out, "-o", tmp_path / "gender", "--by", "gender")
    assert code == 0
    assert "widening of the 90% interval by predicted gender:" in said
    code, said, _ = agejax_("calibrate", out, "-o", tmp_path / "none")
    assert code == 0
    assert "intervals by group are of the old calibration and not kept; see --by" in said
    assert agejax.load(tmp_path / "none").calibration.by_group == {}
    assert "predicted gender" not in said


@pytest.mark.parametrize(
    ("by", "said"),
    [("race", "--by 'race': a group must be known when"), ("age,race", "'race'"), (",", "--by")],
)
def test_groups_that_are_not_known_at_prediction_are_one_line(run, agejax_, tmp_path, by, said):
    code, out, err = agejax_("calibrate", run, "-o", tmp_path / "new", "--by", by)
    assert (code, out) == (2, "")
    assert said in err.splitlines()[-1]
    assert not (tmp_path / "new").exists()
