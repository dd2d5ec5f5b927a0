import numpy as np
import pytest
from scipy import stats

from agejax.metrics.significance import difference, holm, pooled_deviation


def test_holm_as_by_hand():
    p = np.array([0.04, 0.01, 0.03, 0.005])
    np.testing.assert_allclose(holm(p), [0.06, 0.03, 0.06, 0.02])
    np.testing.assert_allclose(holm(p[:1], 3), [0.12])
    np.testing.assert_allclose(holm(np.array([0.5, np.nan, 0.9])), [1, np.nan, 1])
    assert holm(np.array([])).shape == (0,)


def test_pooled_deviation_is_that_of_an_analysis_of_variance():
    groups = [[1.0, 2.0, 4.0], [3.0, 3.5], [7.0]]
    value, free = pooled_deviation(groups)
    inside = np.concatenate([np.array(g) - np.mean(g) for g in groups])
    assert free == 3
    assert value == pytest.approx(np.sqrt((inside**2).sum() / 3))
    assert pooled_deviation([[1.0], [2.0]])[1] == 0


def test_seeds_alone_give_students_t_test():
    a, b = [5.0, 5.2, 5.1], [5.4, 5.5, 5.3]
    spread, free = pooled_deviation([a, b])
    d = difference(np.mean(b) - np.mean(a), np.zeros(10), (3, 3), spread, free)
    theirs = stats.ttest_ind(b, a)
    assert d.p == pytest.approx(theirs.pvalue)
    np.testing.assert_allclose(d.interval, theirs.confidence_interval(0.95))


def test_faces_alone_give_the_normal_one():
    draws = np.random.default_rng(0).normal(0.3, 0.1, 2000)
    d = difference(0.3, draws, (1, 1), float("nan"), 0)
    assert d.p == pytest.approx(2 * stats.norm.sf(0.3 / draws.std()))
    np.testing.assert_allclose(d.interval, 0.3 + 1.959964 * draws.std() * np.array([-1, 1]))


def test_a_false_alarm_is_as_rare_as_it_says():
    """Two ways that are the same, on faces and seeds drawn anew each time."""
    rng, alarms = np.random.default_rng(1), 0
    for _ in range(1000):
        a, b = rng.normal(0, 0.1, (2, 3))
        faces = rng.normal(0, 0.05)
        spread, free = pooled_deviation([a, b])
        draws = rng.normal(0, 0.05, 200)
        alarms += difference(b.mean() - a.mean() + faces, draws, (3, 3), spread, free).p < 0.05
    assert 25 < alarms < 80


@pytest.mark.parametrize(("value", "p"), [(0.0, 1.0), (0.1, 0.0)])
def test_what_does_not_vary_is_sure(value, p):
    d = difference(value, np.full(5, value), (1, 1), float("nan"), 0)
    assert (d.p, d.interval) == (p, (value, value))


def test_what_is_not_known_is_nan():
    d = difference(0.1, np.full(5, np.nan), (2, 2), 0.1, 2)
    assert np.isnan([d.p, *d.interval]).all()
