"""Crossed groups, tests of equality, and balanced means."""

import json

import numpy as np
import pytest

from agejax.errors import UserError
from agejax.metrics.balanced import balanced_figures
from agejax.metrics.crossed import crossed
from agejax.metrics.curves import error_by_year
from agejax.metrics.equality import equality

KINDS = {
    "race": np.array(["a", "b", "unknown", "a"]),
    "gender": np.array(["F", "M", "F", "M"]),
    "odd": np.array(["x*F", "x", "y", "y"]),
    "end": np.array(["z", "F*z", "z", "z"]),
    "a*b": np.array(["p", "q", "p", "q"]),
}


def test_a_cell_is_a_pair_of_groups():
    assert crossed(" race * gender ", KINDS)["race*gender"].tolist() == [
        *("a*F", "b*M", "unknown", "a*M")
    ]
    assert crossed("race*gender*odd", KINDS).keys() == {"race*gender*odd"}


@pytest.mark.parametrize(
    ("cross", "said"),
    [
        ("race", "different kinds"),
        ("race*race", "different kinds"),
        ("race*", "there is no ''"),
        ("race*sex", "there is no 'sex'; there are race, gender"),
        ("a*b", "there is no 'a'"),
        ("odd*end", "makes two cells one"),
    ],
)
def test_what_cannot_be_crossed_is_told(cross, said):
    with pytest.raises(UserError, match="config.eval.cross") as error:
        crossed(cross, KINDS)
    assert said in str(error.value)


def test_too_many_cells_are_refused():
    wide = {
        name: np.array([f"{i // k % 11}" for i in range(121)]) for name, k in (("x", 1), ("y", 11))
    }
    with pytest.raises(UserError, match="121 cells, over 100"):
        crossed("x*y", wide)


def planted(worse, seed=0, n=900, cells=6):
    """Errors of n faces of n / 3 persons in `cells` cells, of which "0" is worse by a factor."""
    rng = np.random.default_rng(seed)
    people = np.arange(n) // 3
    cell = (people % cells).astype(str)
    error = rng.exponential(5, n) * rng.gamma(8, 1 / 8, n // 3)[people]
    return np.where(cell == "0", worse * error, error), cell, people


def test_a_worse_cell_is_found_and_the_others_are_corrected_for():
    error, cell, people = planted(2.5)
    of = equality(error, np.ones(900, bool), {"x": cell}, people)["x"]
    assert (of["cells"], of["worst"]["group"], of["worst"]["n"]) == (6, "0", 150)
    assert of["p"] == of["groups"]["0"]["p_holm"] < 0.001
    assert of["groups"]["0"]["p_holm"] == pytest.approx(6 * of["groups"]["0"]["p"])
    rest = error[cell != "0"].mean()
    assert of["groups"]["0"]["difference"] == pytest.approx(error[cell == "0"].mean() - rest)
    (low, high), (lower, higher) = of["worst"]["interval"], of["worst"]["simultaneous"]
    assert lower < low < of["worst"]["mae"] < high < higher
    json.dumps(of, allow_nan=False)


def test_equal_cells_are_seldom_told_apart():
    found = []
    for seed in range(40):
        error, cell, people = planted(1.0, seed, n=450)
        found.append(equality(error, np.ones(450, bool), {"x": cell}, people)["x"]["p"])
    assert np.mean(np.array(found) < 0.05) <= 0.15


def test_few_faces_the_unknown_and_single_persons_are_not_tested():
    error, known = np.ones(200), np.arange(200) < 190
    group = np.array(["a"] * 100 + ["b"] * 29 + ["unknown"] * 71)
    of = equality(error, known, {"x": group, "one": np.full(200, "a")}, np.arange(200))
    assert list(of["x"]["groups"]) == ["a"]
    assert (of["one"]["cells"], of["one"]["p"]) == (1, None)
    of = equality(error, known, {"x": group}, np.zeros(200))["x"]
    assert (of["p"], of["worst"]["interval"]) == (None, None)
    none = equality(error, ~known & known, {"x": group}, np.arange(200))["x"]
    assert none == {"cells": 0, "p": None, "worst": None, "groups": {}}
    json.dumps(of, allow_nan=False)


def test_balanced_means_give_each_cell_one_vote():
    age = np.array([20] * 60 + [50] * 60 + [80] * 10)
    error = np.array([1.0] * 60 + [4.0] * 60 + [10.0] * 10)
    gender = np.array(["F", "M"] * 65)
    train = np.bincount([20] * 101 + [50] * 50 + [80] * 3)
    of = balanced_figures(error, age, gender, np.arange(130), train)
    assert of["sex_and_age"]["mae"] == pytest.approx(2.5)
    assert of["sex_and_age"]["cells"] == 4
    assert of["sex_and_age"]["too_few"] == ["F 65+", "M 65+"]
    assert of["years"]["mae"] == pytest.approx(5)
    assert [of[name]["n"] for name in ("many", "medium", "few")] == [60, 60, 10]
    assert [of[name]["mae"] for name in ("many", "medium", "few")] == pytest.approx([1, 4, 10])
    rng = np.random.default_rng(1)
    noisy = balanced_figures(rng.exponential(5, 130), age, gender, np.arange(130) // 3, train)
    for of in noisy.values():
        low, high = of["interval"]
        assert low <= of["mae"] <= high
    assert balanced_figures(error, age, gender, np.zeros(130), None)["few"] is None


def test_ages_that_training_never_had_are_few_shot():
    age = np.array([10, 90])
    of = balanced_figures(
        np.ones(2), age, np.array(["unknown"] * 2), np.arange(2), np.ones(11, int)
    )
    assert (of["few"]["n"], of["sex_and_age"]["mae"], of["sex_and_age"]["cells"]) == (2, None, 0)
    json.dumps(of, allow_nan=False)


def test_bias_is_signed_and_of_single_years():
    curve = error_by_year(np.array([1.0, -3.0, 2.0]), np.array([99, 99, 100]), np.arange(3))
    assert (curve["age"], curve["n"]) == ([99, 100], [2, 1])
    assert (curve["bias"], curve["mae"]) == ([-1.0, 2.0], [2.0, 2.0])
    assert curve["bias_interval"][1] is None
