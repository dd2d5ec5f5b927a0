import dataclasses
import json

import numpy as np
import pytest

from agejax.labels import quantile_age
from agejax.metrics.calibration import (
    Calibration,
    age_interval,
    calibrated,
    fit,
    fit_temperature,
    fit_widening,
    tempered,
)
from agejax.metrics.reliability import inside
from tests import synthetic


@pytest.mark.parametrize("classes", [2, 101])
@pytest.mark.parametrize("known", [0.5, 1.0, 2.0])
def test_a_known_temperature_is_found(classes, known):
    p, label = synthetic.faces(6000, sharpened=known, classes=classes)
    assert fit_temperature(p, label) == pytest.approx(known, rel=0.06)


def test_the_temperature_is_the_best_of_a_fine_grid():
    p, label = synthetic.faces(500, sharpened=1.7)

    def nll(t):
        return -np.log(tempered(p, t)[np.arange(500), label]).mean()

    grid = np.exp(np.linspace(np.log(0.2), np.log(5), 400))
    assert nll(fit_temperature(p, label)) <= min(map(nll, grid)) + 1e-9


@pytest.mark.parametrize(("right", "temperature"), [(True, 0.2), (False, 5.0)])
def test_a_temperature_stays_within_its_bounds(right, temperature):
    p = np.tile([0.9, 0.1], (50, 1))
    label = np.full(50, 0 if right else 1)
    assert fit_temperature(p, label) == pytest.approx(temperature, rel=1e-4)


def test_tempering_leaves_the_order_of_classes_and_sums_to_one():
    p, _ = synthetic.faces(100)
    for temperature in (0.2, 1.0, 5.0):
        hot = tempered(p, temperature)
        np.testing.assert_allclose(hot.sum(-1), 1)
        assert (hot.argmax(-1) == p.argmax(-1)).all()
    np.testing.assert_allclose(tempered(p, 1.0), p, atol=1e-12)


def test_tempering_survives_certainty():
    one_hot = np.eye(101, dtype=np.float32)[[0, 50, 100]]
    for temperature in (0.2, 5.0):
        hot = tempered(one_hot, temperature)
        assert np.isfinite(hot).all()
        np.testing.assert_allclose(hot.sum(-1), 1)


@pytest.mark.parametrize("sharpened", [0.3, 1.0, 4.0])
def test_new_faces_are_inside_nine_times_in_ten(sharpened):
    p, age = synthetic.faces(6000, sharpened=sharpened)
    widening = fit_widening(p[:3000], age[:3000])
    low, _, high = age_interval(p[3000:], widening)
    # Two binomial spreads: 3,000 faces that were fitted on, and 3,000 that are counted.
    assert inside(low, high, age[3000:]).mean() == pytest.approx(0.9, abs=4 * 0.3 / 3000**0.5)


def test_the_promise_holds_on_average_for_few_faces_too():
    covered = []
    for seed in range(200):
        p, age = synthetic.faces(40, sharpened=3.0, seed=seed)
        low, _, high = age_interval(p[20:], fit_widening(p[:20], age[:20]))
        covered.append(inside(low, high, age[20:]).mean())
    assert np.mean(covered) == pytest.approx(19 / 21, abs=0.02)  # rank 19 of 20


def test_without_calibration_overconfidence_shows():
    p, age = synthetic.faces(3000, sharpened=4.0)
    low, _, high = age_interval(p)
    assert inside(low, high, age).mean() < 0.7


def test_ages_that_are_uniform_within_their_ranges_are_inside_nine_times_in_ten():
    p, age = synthetic.faces(6000, sharpened=3.0)
    first = age // 10 * 10
    uniform = first + np.random.default_rng(0).integers(0, 10, len(age))
    low, _, high = age_interval(p[3000:], fit_widening(p[:3000], first[:3000], first[:3000] + 9))
    assert inside(low, high, uniform[3000:]).mean() == pytest.approx(0.9, abs=4 * 0.3 / 3000**0.5)
    # Ages that the distributions place within the range, not by chance, are inside more often.
    assert inside(low, high, age[3000:]).mean() > 0.92


def test_exact_labels_decide_the_interval_where_there_are_enough():
    p, age = synthetic.faces(300, sharpened=3.0)
    last = np.where(np.arange(300) < 9, age, np.minimum(age + 9, 100))
    known = {"age": np.ones(300, bool)}
    mixed = fit({"age": p}, {"age": age}, known, upto={"age": last})
    shown = tempered(p, mixed.temperature["age"])
    assert mixed.widening["age"] == fit_widening(shown[:9], age[:9])
    last[8] += 1
    fewer = fit({"age": p}, {"age": age}, known, upto={"age": last})
    shown = tempered(p, fewer.temperature["age"])
    assert fewer.widening["age"] == fit_widening(shown, age, last)


def test_few_faces_promise_nothing():
    p, age = synthetic.faces(8)
    low, _, high = age_interval(p, fit_widening(p, age))
    assert (low == 0).all()
    assert (high == 100).all()


@pytest.mark.parametrize("widening", [-1000.0, -0.6, -0.2, 0.0, 0.3, 1000.0])
def test_intervals_are_ordered_and_clipped(widening):
    p, _ = synthetic.faces(300)
    p[:101] = np.eye(101)
    low, median, high = age_interval(p.astype(np.float32), widening)
    assert ((low >= 0) & (low <= median) & (median <= high) & (high <= 100)).all()


def test_an_empty_calibration_changes_nothing():
    p = {"age": synthetic.faces(5)[0].astype(np.float32)}
    assert calibrated(p, Calibration())["age"] is p["age"]
    low, median, high = age_interval(p["age"])
    exact = p["age"].astype(np.float64)
    for ours, q in ((low, 0.05), (median, 0.5), (high, 0.95)):
        np.testing.assert_allclose(ours, quantile_age(exact, q), atol=1e-9)


def test_rows_without_a_label_teach_nothing():
    p, age = synthetic.faces(200, sharpened=2.0)
    known = np.arange(200) < 150
    spoilt = np.where(known, age, 0)
    ours = fit({"age": p}, {"age": spoilt}, {"age": known})
    theirs = fit({"age": p[:150]}, {"age": age[:150]}, {"age": known[:150]})
    assert ours == theirs
    assert ours.n == 150
    assert fit({"age": p}, {"age": age}, {"age": np.zeros(200, bool)}) == Calibration()


def test_an_offset_is_added_to_the_tempered_logits_and_the_interval_fits_the_result():
    p, age = synthetic.faces(6000, sharpened=2.0)
    offset = {"age": np.linspace(0, 2, 101).tolist()}
    known = {"age": np.ones(3000, bool)}
    fitted = fit({"age": p[:3000]}, {"age": age[:3000]}, known, offset=offset)
    plain = fit({"age": p[:3000]}, {"age": age[:3000]}, known)
    assert fitted.temperature == plain.temperature
    assert fitted.widening != plain.widening
    shown = calibrated({"age": p[3000:]}, fitted)["age"]
    expected = tempered(p[3000:], plain.temperature["age"]) * np.exp(offset["age"])
    np.testing.assert_allclose(shown, expected / expected.sum(-1, keepdims=True), rtol=1e-5)
    low, _, high = age_interval(shown, fitted.widening["age"])
    assert inside(low, high, age[3000:]).mean() == pytest.approx(0.9, abs=4 * 0.3 / 3000**0.5)


def test_a_calibration_survives_json():
    p, age = synthetic.faces(50)
    offset = {"age": [0.25] * 101}
    fitted = fit({"age": p}, {"age": age}, {"age": np.ones(50, bool)}, offset=offset)
    assert Calibration(**json.loads(json.dumps(dataclasses.asdict(fitted)))) == fitted
    assert fitted.widening.keys() == {"age"}
