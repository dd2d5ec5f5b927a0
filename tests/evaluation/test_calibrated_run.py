"""A checkpoint's calibration, from the validation that fits it to whoever reads a face with it."""

import dataclasses
import json
import shutil

import numpy as np
import pytest

import agejax
from agejax.checkpoints import manifest
from agejax.checkpoints.checkpoint import Checkpoints
from agejax.checkpoints.run_dir import of_the_run
from agejax.errors import UserError
from agejax.evaluation.evaluate import evaluate
from agejax.metrics.calibration import Calibration, age_interval

pytestmark = pytest.mark.usefixtures("quick_compilation")


@pytest.fixture
def old(run, tmp_path):
    """The run as a version without calibration would have left it."""
    folder = tmp_path / "old"
    shutil.copytree(run, folder)
    for item in folder.glob("checkpoints/*/calibration"):
        shutil.rmtree(item)
        manifest.seal(item.parent, int(item.parent.name))
    return folder


def validation_of(run):
    return of_the_run(run, {"eval.split": "validation"})


def test_every_checkpoint_holds_what_its_validation_taught(run):
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    logged = {line["step"]: line["validation"] for line in lines if "validation" in line}
    checkpoints = Checkpoints(run, read_only=True)
    for step in map(int, (path.name for path in (run / "checkpoints").iterdir())):
        saved = checkpoints.calibration(step)
        assert saved == Calibration(**logged[step]["calibration"])
        assert saved.temperature.keys() == {"age", "gender"}
        assert 0.2 <= saved.temperature["age"] <= 5


def test_validation_in_training_and_evaluation_give_the_same_figures(run):
    figures = evaluate(validation_of(run), run)
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    logged = next(x["validation"] for x in lines if x["step"] == figures["step"])
    assert figures["age"]["mae"] == pytest.approx(logged["age"]["mae"], abs=1e-4)
    assert figures["gender"]["nll"] == pytest.approx(logged["gender"]["nll"], abs=1e-5)
    assert figures["calibration"] == logged["calibration"]
    assert figures["age"]["interval"]["coverage"] == pytest.approx(
        0.9, abs=0.5 / figures["n"] + 0.05
    )


def test_a_prediction_shows_the_interval_that_evaluation_counts(run, archives):
    figures = evaluate(of_the_run(run, {}), run)
    with np.load(run / "eval" / "test.npz") as file:
        npz = dict(file)
    predictor = agejax.load(run)
    assert predictor.calibration == Calibration(**figures["calibration"])
    low, age, high = age_interval(npz["age_probabilities"], predictor.calibration.widening["age"])
    predictions = list(predictor.predict_files(archives / path for path in npz["path"]))
    for name, ours in (("age", age), ("age_low", low), ("age_high", high)):
        np.testing.assert_allclose([getattr(x, name) for x in predictions], ours, atol=1e-3)
    inside = [
        x.age_low <= y <= x.age_high for x, y in zip(predictions, npz["age_label"], strict=True)
    ]
    assert np.mean(inside) == pytest.approx(figures["age"]["interval"]["coverage"])
    best = [x.gender_probability for x in predictions]
    np.testing.assert_allclose(best, npz["gender_probabilities"].max(1), atol=1e-5)


def test_a_checkpoint_without_calibration_still_works(run, old, archives):
    figures = evaluate(of_the_run(old, {}), old)
    assert figures["calibration"] == dataclasses.asdict(Calibration())
    ours = evaluate(of_the_run(run, {}), run)
    assert figures["age"]["mae"] == pytest.approx(ours["uncalibrated"]["age"]["mae"])
    assert figures["gender"]["nll"] == figures["uncalibrated"]["gender"]["nll"]
    predictor = agejax.load(old)
    assert predictor.calibration == Calibration()
    photo = next(archives.glob("wiki_crop/*/*.jpg"))
    (prediction,) = predictor.predict_files([photo])
    plain = age_interval(prediction.probabilities["age"])
    assert plain == pytest.approx((prediction.age_low, prediction.age, prediction.age_high))


def test_a_run_without_calibration_goes_on_and_gets_one(old, tiny):
    from agejax.training.loop import train

    assert Checkpoints(old, read_only=True).calibration(30) == Calibration()
    tiny.train.steps = 36
    train(tiny, old)
    assert Checkpoints(old, read_only=True).calibration(36).n > 0


def test_a_calibration_of_another_version_is_one_line(old):
    checkpoints = Checkpoints(old, read_only=True)
    step = checkpoints.find("best")
    folder = checkpoints.folder / str(step) / "calibration"
    folder.mkdir()
    (folder / "metadata").write_text('{"slope": 3}')
    manifest.seal(folder.parent, step)
    with pytest.raises(UserError, match="calibration") as error:
        checkpoints.calibration(step)
    assert "\n" not in str(error.value)


def test_flipping_makes_a_face_and_its_mirror_image_the_same(run, archives):
    config = of_the_run(run, {})
    plain = agejax.load(run)
    from agejax.inference.predictor import Predictor
    from agejax.steps.model_factory import abstract_model

    config.model.flip = True
    checkpoints = Checkpoints(run, read_only=True)
    graph, like = abstract_model(config)
    weights = checkpoints.weights(plain.step, like)
    both = Predictor(graph, weights, config, plain.step, 8, Calibration())
    image = np.random.default_rng(0).integers(0, 256, (8, 16, 16, 3), np.uint8)
    mirrored = image[:, :, ::-1]
    a, b = both.probabilities(image), both.probabilities(mirrored)
    alone = Predictor(graph, weights, of_the_run(run, {}), plain.step, 8, Calibration())
    for task in a:
        np.testing.assert_array_equal(a[task], b[task])
        mean = (alone.probabilities(image)[task] + alone.probabilities(mirrored)[task]) / 2
        np.testing.assert_allclose(a[task], mean, atol=1e-7)
        assert (alone.probabilities(image)[task] != a[task]).any()


@pytest.mark.parametrize("cut", [0.0, 0.1])
def test_flipping_is_evaluated_as_it_is_predicted(run, cut):
    figures = evaluate(of_the_run(run, {"model.flip": True, "model.flip_cut": cut}), run)
    plain = evaluate(of_the_run(run, {}), run)
    assert figures["age"]["nll"] != plain["age"]["nll"]
    assert figures["age"]["nll"] == pytest.approx(plain["age"]["nll"], abs=0.3)


def test_attributes_are_figures_by_group(run, tiny, tmp_path):
    from agejax.evaluation.open_split import open_split

    run = shutil.copytree(run, tmp_path / "run")
    faces = open_split(tiny, "test")
    rows = [f"{path},{'xy'[i % 2]}" for i, path in enumerate(faces.path[3:])]
    (tmp_path / "a.csv").write_text("\n".join(["path,race", *rows]))
    figures = evaluate(of_the_run(run, {"eval.attributes": str(tmp_path / "a.csv")}), run)
    race = figures["groups"]["race"]
    assert list(race) == ["x", "y", "unknown"]
    assert sum(of["n"] for of in race.values()) == figures["n"]
    assert figures["interval_over"] == "persons"
    (tmp_path / "a.csv").write_text("path,race\nelsewhere.jpg,x\n")
    with pytest.raises(UserError, match="none of the"):
        evaluate(of_the_run(run, {"eval.attributes": str(tmp_path / "a.csv")}), run)
