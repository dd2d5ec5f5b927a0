import dataclasses
import json

import numpy as np
import pytest

from agejax.data.faces import Faces
from agejax.evaluation.summary import baseline, evaluation_figures, score, validation_figures
from agejax.evaluation.table import table
from agejax.metrics.calibration import Calibration
from tests import synthetic


def predicted(n=2000, sharpened=3.0, person=True, seed=0):
    """Overconfident probabilities of n faces of n / 4 persons, and these faces."""
    p, labels = {}, {}
    for task, classes in (("age", 101), ("gender", 2)):
        p[task], labels[task] = synthetic.faces(
            n, sharpened=sharpened, classes=classes, seed=seed + classes
        )
    faces = Faces(
        path=np.array([f"{i:05}.jpg" for i in range(n)]),
        labels=labels,
        known={task: np.ones(n, bool) for task in labels},
        sha256=np.array([str(i) for i in range(n)]),
        read=lambda rows: [],
        rows=np.arange(n),
        person=np.array([f"p{i // 4}" for i in range(n)]) if person else None,
    )
    return {task: x.astype(np.float32) for task, x in p.items()}, faces


@pytest.fixture(scope="module")
def figures():
    raw, validation = predicted(seed=1)
    _, calibration = validation_figures(raw, validation)
    raw, faces = predicted(seed=2)
    race = np.array(["x", "y", "unknown"])[np.arange(len(faces)) % 3]
    return evaluation_figures(raw, calibration, faces, {"race": race})


def test_calibration_makes_new_faces_honest(figures):
    before, age = figures["uncalibrated"], figures["age"]
    assert before["age"]["interval"]["coverage"] < 0.75
    assert age["interval"]["coverage"] == pytest.approx(0.9, abs=4 * 0.3 / 2000**0.5)
    low, high = age["interval"]["coverage_interval"]
    assert low < age["interval"]["coverage"] < high
    assert age["nll"] < before["age"]["nll"]
    assert figures["gender"]["nll"] < before["gender"]["nll"]
    assert figures["gender"]["ece"] < before["gender"]["ece"] / 2
    assert figures["calibration"]["temperature"]["age"] == pytest.approx(3, rel=0.1)


def test_groups_hold_every_face_and_average_to_the_whole(figures):
    assert figures["groups"].keys() == {"decade", "gender", "race"}
    for groups in figures["groups"].values():
        assert sum(of["n"] for of in groups.values()) == 2000
        mean = lambda name, of=groups: sum(g["n"] * g[name] for g in of.values()) / 2000
        assert mean("mae") == pytest.approx(figures["age"]["mae"]["median"])
        assert mean("bias") == pytest.approx(figures["age"]["bias"])
        assert mean("cs5") == pytest.approx(figures["age"]["cs5"])
        assert mean("coverage") == pytest.approx(figures["age"]["interval"]["coverage"])
        assert mean("gender_accuracy") == pytest.approx(figures["gender"]["accuracy"])


def test_figures_are_json_and_a_table_of_100_columns(figures):
    json.dumps(figures, allow_nan=False)
    raw, faces = predicted(40)
    whole = {"n": 2000, "step": 100_000, "split": "validation", "left_out": 3}
    text = table(figures | whole | {"baseline": baseline(faces, faces)})
    assert max(map(len, text.splitlines())) <= 100
    for word in ("age MAE", "90% interval", "by decade", "70+", "by race", "unknown", "persons"):
        assert word in text


def test_intervals_are_over_faces_where_persons_are_not_known(figures):
    raw, faces = predicted(300, person=False)
    ours = evaluation_figures(raw, Calibration(), faces, {})
    assert (ours["interval_over"], ours["persons"]) == ("faces", None)
    assert (figures["interval_over"], figures["persons"]) == ("persons", 500)
    assert ours["uncalibrated"]["age"]["nll"] == ours["age"]["nll"]


def test_faces_without_a_label_do_not_count():
    raw, faces = predicted(400)
    known = {"age": np.arange(400) < 200, "gender": np.arange(400) < 100}
    partly = dataclasses.replace(faces, known=known)
    ours = evaluation_figures(raw, Calibration(), partly, {})
    half = faces.where(known["age"])
    theirs = score({task: p[:200] for task, p in raw.items()}, half)
    assert ours["age"]["mae"] == pytest.approx(theirs["age"]["mae"])
    assert ours["gender"]["n"] == 100
    assert ours["groups"]["decade"]["unknown"]["mae"] is None
    assert ours["groups"]["gender"]["unknown"]["n"] == 300


def test_the_decade_that_is_guessed_worst_is_told():
    raw, faces = predicted(2000, sharpened=1.0)
    spoilt = faces.labels["age"] >= 70
    raw["age"][spoilt] = np.eye(101, dtype=np.float32)[40]
    ours = evaluation_figures(raw, Calibration(), faces, {})
    worst = ours["groups"]["decade"]["70+"]
    assert ours["worst_to_mean"]["decade"] == worst["mae"] / ours["age"]["mae"]["median"]
    assert worst["bias"] == pytest.approx(-worst["mae"])
    held = {
        "n": 2000,
        "step": 1,
        "split": "test",
        "left_out": 0,
        "baseline": baseline(faces, faces),
    }
    lines = {line.split()[0]: line for line in table(ours | held).splitlines()[6:]}
    assert float(lines["70+"].split()[3]) == pytest.approx(
        ours["worst_to_mean"]["decade"], abs=0.01
    )
    assert max(map(len, lines.values())) <= 100


def test_groups_too_small_to_be_judged_are_shown_without_a_verdict():
    raw, faces = predicted(12)
    ours = evaluation_figures(raw, Calibration(), faces, {})
    whole = {"n": 12, "step": 1, "split": "test", "left_out": 0, "baseline": baseline(faces, faces)}
    assert set(ours["worst_to_mean"].values()) == {None}
    assert "the worst" not in table(ours | whole)


def test_curves_hold_the_same_figures(figures):
    age, gender = figures["curves"]["age"], figures["curves"]["gender"]
    assert age["cumulative"]["share"][5] == pytest.approx(figures["age"]["cs5"])
    assert age["risk"]["risk"][0] == pytest.approx(figures["age"]["mae"]["median"])
    at = {f"{1 - kept:.0%}": i for i, kept in enumerate(age["risk"]["kept"])}
    for share, mae in figures["age"]["mae_when_set_aside"].items():
        assert age["risk"]["risk"][at[share]] == pytest.approx(mae)
    assert np.average(age["by_age"]["mae"], weights=age["by_age"]["n"]) == pytest.approx(
        figures["age"]["mae"]["median"]
    )
    assert gender["risk"]["risk"][0] == pytest.approx(1 - figures["gender"]["accuracy"])
    raw = figures["curves"]["uncalibrated"]
    for of, curve in ((figures, gender), (figures["uncalibrated"], raw["gender"])):
        bins = curve["reliability"]
        gap = np.abs(np.subtract(bins["confidence"], bins["accuracy"]))
        assert np.average(gap, weights=bins["n"]) == pytest.approx(of["gender"]["ece"])
    honest, overconfident = age["coverage"], raw["age"]["coverage"]
    distance = lambda curve: np.abs(np.subtract(curve["share"], curve["level"])).mean()
    assert distance(honest) < 0.03 < distance(overconfident)


def test_a_task_without_a_label_has_no_curve():
    raw, faces = predicted(40)
    nobody = dataclasses.replace(faces, known=faces.known | {"gender": np.zeros(40, bool)})
    assert evaluation_figures(raw, Calibration(), nobody, {})["curves"].keys() == {
        "age",
        "uncalibrated",
    }
