import numpy as np
import pytest

from agejax.metrics.bootstrap import ratio_intervals


def mean_interval(values, cluster=None, **options):
    cluster = np.arange(len(values)) if cluster is None else cluster
    ones = np.ones((len(values), 1))
    return ratio_intervals(values[:, None], ones, cluster, **options)[0]


def test_a_mean_of_independent_faces_has_the_textbook_interval():
    values = np.random.default_rng(0).exponential(5, 2000)
    half = 1.96 * values.std() / 2000**0.5
    low, high = mean_interval(values)
    assert low == pytest.approx(values.mean() - half, abs=0.1 * half)
    assert high == pytest.approx(values.mean() + half, abs=0.1 * half)


def test_copies_of_a_person_are_no_new_evidence():
    values = np.random.default_rng(0).normal(0, 1, 100)
    once = np.ptp(mean_interval(values))
    copied, person = np.repeat(values, 9), np.repeat([f"p{i}" for i in range(100)], 9)
    assert np.ptp(mean_interval(copied, person)) == pytest.approx(once, rel=0.1)
    assert np.ptp(mean_interval(copied)) == pytest.approx(once / 3, rel=0.1)


def test_a_part_of_the_faces_is_the_mean_over_that_part():
    rng = np.random.default_rng(1)
    values, part = rng.normal(3, 1, 400), rng.random(400) < 0.5
    intervals = ratio_intervals(
        np.stack([values * part, values], 1), np.stack([part, np.ones(400)], 1), np.arange(400)
    )
    assert intervals[0, 0] < values[part].mean() < intervals[0, 1]
    assert np.ptp(intervals[0]) > np.ptp(intervals[1])


def test_95_of_100_intervals_hold_the_truth():
    rng = np.random.default_rng(2)
    held = 0
    for _ in range(200):
        person = rng.integers(60, size=200)
        values = rng.normal(0, 1, 60)[person] + rng.normal(0, 1, 200)
        low, high = mean_interval(values, person)
        held += low < 0 < high
    assert 0.88 <= held / 200 <= 0.99


def test_one_person_alone_has_no_interval():
    assert np.isnan(mean_interval(np.ones(5), np.zeros(5))).all()
    nobody = ratio_intervals(np.zeros((5, 1)), np.zeros((5, 1)), np.arange(5))
    assert np.isnan(nobody).all()


def test_the_draws_are_seeded():
    values = np.random.default_rng(0).normal(size=30)
    np.testing.assert_array_equal(mean_interval(values), mean_interval(values))
    assert (mean_interval(values) != mean_interval(values, seed=1)).any()
