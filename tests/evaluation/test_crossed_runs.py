"""`config.eval.cross`: crossed groups in the figures, the table and the report."""

import dataclasses
import html
import json
import shutil

import jsonschema
import numpy as np
import pytest

from agejax.checkpoints.run_dir import of_the_run
from agejax.errors import UserError
from agejax.evaluation.evaluate import evaluate
from agejax.evaluation.open_split import open_split
from agejax.evaluation.summary import baseline, evaluation_figures
from agejax.evaluation.table import table
from agejax.metrics.calibration import Calibration
from agejax.reports.write import write_report
from tests.conftest import ROOT
from tests.evaluation.test_summary import predicted


@pytest.fixture(scope="module")
def figures():
    """Of faces of which those of race y and gender F are read wrong."""
    raw, faces = predicted(800, sharpened=1.0, seed=4)
    race = np.array(["x", "y", "y", "unknown"])[np.arange(800) // 4 % 4]
    spoilt = (race == "y") & (faces.labels["gender"] == 0)
    raw["age"][spoilt] = np.eye(101, dtype=np.float32)[50]
    train = predicted(3000)[1]
    return evaluation_figures(
        raw, Calibration(), faces, {"race": race}, (18,), "race*gender", train
    ) | {"baseline": baseline(train, faces)}


def test_the_worst_cell_is_named_with_its_interval(figures):
    cells = figures["groups"]["race*gender"]
    assert cells.keys() == {"x*F", "x*M", "y*F", "y*M", "unknown"}
    of = figures["equality"]["race*gender"]
    assert (of["worst"]["group"], of["cells"]) == ("y*F", 4)
    assert of["worst"]["mae"] == pytest.approx(cells["y*F"]["mae"])
    assert of["p"] < 0.001
    assert figures["equality"].keys() == {"decade", "gender", "race", "race*gender"}
    assert set(figures["thresholds"]["18"]["groups"]) == {"gender", "race"}
    held = {"n": 800, "step": 1, "split": "test", "left_out": 0}
    text = table(figures | held)
    assert "by race*gender" in text
    assert "equal MAE in 4 groups: p below 0.001, corrected; worst y*F" in text
    assert "few-shot" in text
    assert max(map(len, text.splitlines())) <= 100


def test_balanced_figures_are_those_of_the_groups(figures):
    by_year = figures["curves"]["age"]["by_year"]
    assert figures["balanced"]["years"]["mae"] == pytest.approx(np.mean(by_year["mae"]))
    whole = np.average(by_year["bias"], weights=by_year["n"])
    assert whole == pytest.approx(figures["age"]["bias"])
    shots = [figures["balanced"][name]["n"] for name in ("many", "medium", "few")]
    assert sum(shots) == 800


@pytest.mark.parametrize("left", ["age", "gender"])
def test_faces_without_a_label_have_figures_too(left):
    raw, faces = predicted(60)
    faces = dataclasses.replace(faces, known=faces.known | {left: np.zeros(60, bool)})
    figures = evaluation_figures(raw, Calibration(), faces, cross="decade*gender")
    assert set(figures["groups"]["decade*gender"]) == {"unknown"}
    assert figures["equality"]["decade*gender"]["cells"] == 0
    assert (figures["balanced"] == {}) == (left == "age")


def test_a_run_is_evaluated_and_reported_with_crossed_groups(run, tmp_path):
    folder = shutil.copytree(run, tmp_path / "run")
    paths = open_split(of_the_run(folder, {}), "test").path
    attributes = tmp_path / "groups.csv"
    rows = [f"{path},{'xy'[i % 2]}" for i, path in enumerate(paths)]
    attributes.write_text("\n".join(["path,race", *rows]))
    changes = {"eval.attributes": str(attributes), "eval.cross": "race*gender"}
    figures = evaluate(of_the_run(folder, changes), folder)
    schema = json.loads((ROOT / "docs" / "evaluation.schema.json").read_text(encoding="utf-8"))
    written = json.loads((folder / "eval" / "test.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator(schema).validate(written)
    assert {"x*F", "y*M"} <= figures["groups"]["race*gender"].keys()
    page = html.unescape(write_report(folder, faces=0).read_text(encoding="utf-8"))
    for text in ("By race*gender", "Balanced means", "Bias by single year"):
        assert text in page
    assert f"{figures['balanced']['years']['mae']:.2f}" in page


@pytest.mark.parametrize("cross", ["race*gender", "gender", "gender*gender"])
def test_what_cannot_be_crossed_is_told_before_anything_is_read(run, monkeypatch, cross):
    monkeypatch.setattr("agejax.evaluation.evaluate.predict_split", None)
    with pytest.raises(UserError, match="config.eval.cross"):
        evaluate(of_the_run(run, {"eval.cross": cross}), run)
