"""Errors at age thresholds, against counts and intervals that are computed otherwise."""

import json

import numpy as np
import pytest
from scipy.stats import binomtest

from agejax.evaluation.threshold_table import threshold_lines
from agejax.labels import median_age
from agejax.metrics.binomial import clopper_pearson
from agejax.metrics.thresholds import at_least, threshold_figures, whole_years
from tests import synthetic
from tests.conftest import ROOT

ALL = (13, 16, 18, 21, 25)
KEPT = ROOT / "benchmarks" / "results" / "six-even.npz"


@pytest.mark.parametrize(("count", "n"), [(0, 1), (1, 1), (0, 37), (10, 37), (36, 37), (3, 5000)])
@pytest.mark.parametrize("level", [0.95, 0.99])
def test_intervals_are_scipys_exact_ones(count, n, level):
    expected = binomtest(count, n).proportion_ci(level, "exact")
    assert clopper_pearson(count, n, level) == pytest.approx(tuple(expected), abs=1e-12)


def test_of_no_faces_nothing_is_known():
    assert clopper_pearson(0, 0) == (0, 1)


def test_the_table_of_the_kept_predictions_is_that_of_ten_lines():
    with np.load(KEPT) as file:
        p, age, sex = (file[k] for k in ("age_probabilities", "age_label", "gender_label"))
    figures = threshold_figures(p, age, age, {"gender": np.array(["F", "M"])[sex]}, ALL)
    exact = p.astype(float) / p.astype(float).sum(1, keepdims=True)
    for t in ALL:
        over = exact[:, t:].sum(1) >= 0.5  # is read as t or older
        for rows, cell in [
            (np.ones(len(age), bool), figures[str(t)]),
            (sex == 0, figures[str(t)]["groups"]["gender"]["F"]),
            (sex == 1, figures[str(t)]["groups"]["gender"]["M"]),
        ]:
            for name, side, wrong in [("under", age < t, over), ("over", age >= t, ~over)]:
                n, k = (rows & side).sum(), (rows & side & wrong).sum()
                low, high = binomtest(k, n).proportion_ci(0.95, "exact")
                found = cell[name]
                assert (found["n"], found["passed" if name == "under" else "challenged"]) == (n, k)
                assert (found["low"], found["high"]) == pytest.approx((low, high))
        for name, found in figures[str(t)]["bands"].items():
            first, last = (int(end) for end in (name.replace("+", "-100")).split("-"))
            rows, key = (age >= first) & (age <= last), "passed" if last < t else "challenged"
            k = (rows & (over if last < t else ~over)).sum()
            assert (found["n"], found[key]) == (rows.sum(), k)
            low, high = binomtest(k, rows.sum()).proportion_ci(0.95, "exact")
            assert (found["low"], found["high"]) == pytest.approx((low, high))
    teens = figures["18"]["bands"]["13-17"]
    assert (teens["n"], teens["passed"], teens["judged"]) == (37, 10, True)


@pytest.fixture(scope="module")
def planted():
    p, age = synthetic.faces(3000)
    return p, age, threshold_figures(p, age, age, {}, (13, 16, 18, 21, 25))


def test_bands_are_cut_at_the_threshold_and_hold_every_face(planted):
    _, age, figures = planted
    assert {"13-15", "16-17"} <= figures["16"]["bands"].keys()
    assert {"18-20", "21-24"} <= figures["21"]["bands"].keys()
    for of in figures.values():
        for side, key in (("under", "passed"), ("over", "challenged")):
            cells = [band for band in of["bands"].values() if key in band]
            for what in ("n", key):
                assert sum(cell[what] for cell in cells) == of[side][what]
        assert of["under"]["n"] + of["over"]["n"] == len(age)
    json.dumps(figures, allow_nan=False)


def test_challenge_ages_begin_at_the_threshold_and_trade_one_error_for_the_other(planted):
    p, age, figures = planted
    of = figures["18"]
    curve = of["challenge"]
    assert (curve["age"][0], curve["passed"][0]) == (18, of["under"]["passed"])
    assert curve["challenged"][0] == of["over"]["challenged"]
    assert (np.diff(curve["passed"]) <= 0).all()
    assert (np.diff(curve["challenged"]) >= 0).all()
    read = whole_years(median_age(p))
    assert curve["challenged"][7] == ((age >= 18) & (read < 25)).sum()  # a challenge at 25


def test_probabilities_of_being_over_are_as_honest_as_the_distributions(planted):
    p, age, figures = planted
    honest = figures["18"]["probability"]
    assert honest["ece"] < 0.02
    assert honest["mean"] == pytest.approx(at_least(p, 18).mean())
    assert sum(honest["bins"]["n"]) == honest["n"] == 3000
    tight = p**4 / (p**4).sum(1, keepdims=True)
    assert (
        threshold_figures(tight, age, age, {}, (18,))["18"]["probability"]["ece"]
        > 2 * (honest["ece"])
    )


def test_a_read_age_is_the_printed_one():
    p = np.zeros((2, 101))
    p[0, [17, 18]], p[1, [17, 18]] = (0.51, 0.49), (0.49, 0.51)
    assert [f"{age:.0f}" for age in median_age(p)] == ["17", "18"]
    figures = threshold_figures(p, np.array([17, 17]), np.array([17, 17]), {}, (18,))
    assert figures["18"]["under"]["passed"] == 1


def test_a_range_that_contains_the_threshold_is_on_neither_side():
    p = np.eye(101)[[30, 30, 30]]
    first, last = np.array([10, 10, 20]), np.array([17, 19, 29])
    of = threshold_figures(p, first, last, {}, (18,))["18"]
    assert (of["under"]["n"], of["over"]["n"], of["probability"]["n"]) == (1, 1, 2)


def test_cells_of_few_faces_are_named_and_not_judged():
    p, age = np.eye(101)[[16] * 29 + [20] * 31], np.array([16] * 29 + [20] * 31)
    group = np.array(["a"] * 58 + ["unknown"] * 2)
    figures = threshold_figures(p, age, age, {"race": group}, (18,))
    of = figures["18"]
    assert not of["under"]["judged"]
    assert of["over"]["judged"]
    assert list(of["groups"]["race"]) == ["a", "unknown"]
    lines = {line.split()[0]: line for line in threshold_lines(figures)}
    assert "too few" in lines["13-17"]
    assert "too few" in lines["unknown"]
    assert "0.0% (0.0 to 11.2)" in lines["18-24"]


@pytest.mark.parametrize("n", [0, 1])
def test_hardly_any_faces_have_figures_too(n):
    one = np.arange(n)
    figures = threshold_figures(np.eye(101)[:n], one, one, {"x": np.array(["y"] * n)}, (18,))
    of = figures["18"]["under"]
    assert (of["n"], of["passed"], of["low"], of["judged"]) == (n, 0, 0, False)
    assert of["high"] == pytest.approx(0.975 if n else 1)
    json.dumps(figures, allow_nan=False)
    assert all(len(line) <= 100 for line in threshold_lines(figures))
