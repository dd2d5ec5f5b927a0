import numpy as np
import pytest

from agejax.metrics.calibration import age_interval, fit_temperature, tempered
from agejax.metrics.reliability import expected_calibration_error, risk_when_set_aside
from tests import synthetic


def test_ece_of_a_case_done_by_hand():
    p = np.array([[0.1, 0.9], [0.1, 0.9], [0.65, 0.35], [0.65, 0.35], [0.0, 1.0]])
    label = np.array([1, 0, 0, 0, 1])
    # bin of 0.9: accuracy 0.5; bin of 0.65: accuracy 1; bin of 1: accuracy 1
    expected = (2 * 0.4 + 2 * 0.35 + 0) / 5
    assert expected_calibration_error(p, label) == pytest.approx(expected)


def test_ece_of_honest_probabilities_is_small():
    p, label = synthetic.faces(20_000, classes=2)
    assert expected_calibration_error(p, label) < 0.01


@pytest.mark.parametrize("classes", [2, 5])
def test_a_fitted_temperature_lowers_the_ece_of_new_faces(classes):
    p, label = synthetic.faces(8000, sharpened=3.0, classes=classes)
    temperature = fit_temperature(p[:4000], label[:4000])
    before = expected_calibration_error(p[4000:], label[4000:])
    after = expected_calibration_error(tempered(p[4000:], temperature), label[4000:])
    assert before > 0.05
    assert after < before / 3


def test_risk_falls_as_the_uncertain_are_set_aside():
    error = np.arange(100.0)
    risk = risk_when_set_aside(error, uncertainty=error)
    assert list(risk) == ["10%", "20%", "50%"]
    assert list(risk.values()) == pytest.approx([44.5, 39.5, 24.5])


def test_risk_stays_where_uncertainty_tells_nothing():
    risk = risk_when_set_aside(np.full(7, 2.0), np.random.default_rng(0).random(7))
    assert set(risk.values()) == {2.0}


def test_widths_of_honest_distributions_tell_which_ages_are_sure():
    p, age = synthetic.faces(4000)
    low, median, high = age_interval(p)
    risk = risk_when_set_aside(np.abs(median - age), high - low)
    whole = np.abs(median - age).mean()
    assert whole > risk["10%"] > risk["20%"] > risk["50%"]


def test_a_single_face_is_never_set_aside():
    assert risk_when_set_aside(np.array([3.0]), np.array([1.0]))["50%"] == 3.0
