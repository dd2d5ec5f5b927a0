import numpy as np
import pytest

from agejax.metrics import curves
from agejax.metrics.reliability import expected_calibration_error, risk_when_set_aside
from tests import synthetic

N = 3000
PEOPLE = np.arange(N) // 2


def check(curve):
    assert len({len(column) for column in curve.values()}) == 1
    for name, column in curve.items():
        if name.endswith("_interval"):
            for value, ends in zip(curve[name.removesuffix("_interval")], column, strict=True):
                assert ends is None or ends[0] - 1e-12 <= value <= ends[1] + 1e-12


def test_errors_by_age_average_to_the_whole():
    rng = np.random.default_rng(0)
    age, error = rng.integers(0, 101, N), rng.normal(1, 5, N)
    error[age >= 95] = 40
    curve = curves.error_by_age(error, age, PEOPLE)
    check(curve)
    ends = [(curve["low"][i], curve["high"][i]) for i in (0, 1, -1)]
    assert ends == [(0, 4), (5, 9), (95, 100)]
    assert sum(curve["n"]) == N
    assert np.average(curve["mae"], weights=curve["n"]) == pytest.approx(np.abs(error).mean())
    assert np.average(curve["bias"], weights=curve["n"]) == pytest.approx(error.mean())
    assert curve["mae"][-1] == pytest.approx(40)
    assert curves.error_by_age(error[:1], age[:1], PEOPLE[:1])["mae_interval"] == [None]


def test_a_cumulative_score_rises_and_counts_an_exact_error():
    curve = curves.cumulative_score(np.array([0, 5, -5.0005, 6, 30.0]), np.arange(5))
    check(curve)
    assert curve["share"][0] == 0.2
    assert curve["share"][5] == 0.6
    assert curve["share"][20] == 0.8
    assert curve["share"] == sorted(curve["share"])


def test_honest_distributions_cover_what_their_levels_say():
    p, label = synthetic.faces(N, seed=3)
    curve = curves.coverage_by_level(p, label, PEOPLE)
    check(curve)
    np.testing.assert_allclose(curve["share"], curve["level"], atol=4 * 0.5 / N**0.5)
    sharp, label = synthetic.faces(N, sharpened=3, seed=3)
    assert curves.coverage_by_level(sharp, label, PEOPLE)["share"][8] < 0.75


def test_risk_falls_where_the_uncertain_are_set_aside_and_an_oracle_is_best():
    rng = np.random.default_rng(1)
    sure = rng.uniform(0, 10, N)
    loss = np.abs(rng.normal(0, sure))
    curve = curves.risk_by_coverage(loss, sure, PEOPLE)
    check(curve)
    assert curve["risk"][0] == pytest.approx(loss.mean())
    assert curve["best"][0] == pytest.approx(loss.mean())
    assert all(a > b for a, b in zip(curve["risk"], curve["risk"][1:], strict=False))
    assert all(a <= b + 1e-12 for a, b in zip(curve["best"], curve["risk"], strict=True))
    aside = risk_when_set_aside(loss, sure)
    at = {f"{1 - kept:.0%}": risk for kept, risk in zip(curve["kept"], curve["risk"], strict=True)}
    assert {share: at[share] for share in aside} == pytest.approx(aside)
    one = curves.risk_by_coverage(loss[:1], sure[:1], PEOPLE[:1])
    assert set(one["n"]) == {1}


def test_reliability_is_what_the_calibration_error_averages():
    p, label = synthetic.faces(N, classes=3, sharpened=2, seed=4)
    curve = curves.reliability(p, label, PEOPLE)
    check(curve)
    gap = np.abs(np.subtract(curve["confidence"], curve["accuracy"]))
    ece = expected_calibration_error(p, label)
    assert np.average(gap, weights=curve["n"]) == pytest.approx(ece)
