import numpy as np
import pytest

from agejax.metrics.agreement import agreement


def test_the_limits_are_those_of_bland_and_altman():
    difference = np.random.default_rng(0).normal(1.5, 4, 3000)
    found = agreement(difference, np.arange(3000))
    assert found["bias"] == pytest.approx(difference.mean())
    low, high = found["limits"]
    assert (high - low) / 2 == pytest.approx(1.96 * difference.std())
    # Bland and Altman's standard errors: s / sqrt(n) of the bias, sqrt(3) times that of a limit.
    error = 4 / 3000**0.5
    assert np.ptp(found["bias_interval"]) / 3.92 == pytest.approx(error, rel=0.1)
    assert np.ptp(found["low_interval"]) / 3.92 == pytest.approx(3**0.5 * error, rel=0.1)
    assert found["low_interval"][0] < low < found["low_interval"][1]


def test_one_person_has_no_interval():
    assert agreement(np.array([1.0, 3.0]), np.array(["a", "a"]))["bias_interval"] is None
