import json

import numpy as np
import pytest

import agejax
from agejax.checkpoints.run_dir import of_the_run
from agejax.config import check_key, default, from_json, to_json, update
from agejax.errors import UserError
from agejax.evaluation.evaluate import evaluate
from agejax.evaluation.open_split import open_split
from agejax.evaluation.summary import baseline
from agejax.labels import median_age


def test_baseline_is_the_training_median_and_majority(tiny):
    train, test = open_split(tiny, "train"), open_split(tiny, "test")
    figures = baseline(train, test)
    median = sorted(train.labels["age"].tolist())[len(train) // 2]
    assert figures["age_mae"] == pytest.approx(np.abs(test.labels["age"] - median).mean(), abs=0.6)
    majority = np.bincount(train.labels["gender"]).argmax()
    assert figures["gender_accuracy"] == np.mean(test.labels["gender"] == majority)


def test_figures_are_those_of_the_probabilities_written_beside_them(run, tiny):
    figures = evaluate(of_the_run(run, {"eval.split": "validation"}), run)
    assert json.loads(json.dumps(figures)) == json.loads(
        (run / "eval" / "validation.json").read_text()
    )
    with np.load(run / "eval" / "validation.npz") as file:
        p, age = file["age_probabilities"], file["age_label"]
        assert figures["n"] == len(age)
        assert figures["age"]["mae"]["argmax"] == pytest.approx(np.abs(p.argmax(1) - age).mean())
        np.testing.assert_allclose(p.sum(1), 1, atol=1e-5)
    low, high = figures["age"]["mae_interval"]
    assert low < figures["age"]["mae"]["median"] < high


def test_images_that_stand_in_train_too_are_left_out(tiny):
    import dataclasses

    train, faces = open_split(tiny, "train"), open_split(tiny, "validation")
    stolen = faces.sha256.copy()
    stolen[:3] = train.sha256[:3]
    leaky = dataclasses.replace(faces, sha256=stolen)
    assert leaky.without(train).path.tolist() == faces.without(train).path.tolist()[3:]


def test_what_cannot_be_is_told_before_the_data_is_opened(run, monkeypatch):
    monkeypatch.setattr("agejax.evaluation.evaluate.open_split", lambda *_: pytest.fail("opened"))
    with pytest.raises(UserError, match="another model"):
        evaluate(of_the_run(run, {"model.head_width": 8}), run)


@pytest.mark.parametrize("batch_size", [4, 32, 64])
def test_the_batch_size_changes_no_figure(run, batch_size):
    base = evaluate(of_the_run(run, {"eval.split": "validation"}), run)
    config = of_the_run(run, {"eval.split": "validation", "eval.batch_size": batch_size})
    figures = evaluate(config, run)
    assert figures["n"] == base["n"]
    assert figures["age"]["mae"] == pytest.approx(base["age"]["mae"], abs=1e-4)


def test_evaluation_and_prediction_of_the_same_files_agree(run, archives):
    evaluate(of_the_run(run, {"eval.split": "test"}), run)
    with np.load(run / "eval" / "test.npz") as file:
        paths, age, gender = (
            file[k] for k in ("path", "age_probabilities", "gender_probabilities")
        )
    predictor = agejax.load(run)
    predictions = list(predictor.predict_files(archives / path for path in paths))
    for row, prediction in enumerate(predictions):
        np.testing.assert_allclose(prediction.probabilities["age"], age[row], atol=1e-5)
        np.testing.assert_allclose(prediction.probabilities["gender"], gender[row], atol=1e-5)
        median = median_age(age[row].astype(np.float64))
        assert prediction.age == pytest.approx(median, abs=1e-3)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"eval.split": "tset"}, "there is no split 'tset'"),
        ({"eval.checkpoint": "7"}, "there is no checkpoint '7'"),
    ],
)
def test_what_cannot_be_evaluated(run, changes, said):
    with pytest.raises(UserError, match=said):
        evaluate(of_the_run(run, changes), run)


def test_a_config_survives_being_written_down(tiny):
    again = from_json(to_json(tiny), "here")
    assert to_json(again) == to_json(tiny)
    assert again.model.trunk is tiny.model.trunk


@pytest.mark.parametrize(
    ("key", "near"),
    [
        ("trian.steps", "train.steps"),
        ("train.stesp", "train.steps"),
        ("batch_size", "train.batch_size"),
        ("data.manualdir", "data.manual_dir"),
    ],
)
def test_the_nearest_key_is_named(key, near):
    with pytest.raises(UserError, match=f"did you mean config.{near}"):
        check_key(default(), key)


def test_values_of_another_type_are_refused():
    with pytest.raises(UserError, match="config.train.steps cannot be"):
        update(default(), {"train.steps": "many"})


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"tasks": 3}', '{"tasks": {}, "model": {"args": 1}}']
)
def test_what_is_no_config_is_told(text):
    with pytest.raises(UserError, match="not a config"):
        from_json(text, "here")
