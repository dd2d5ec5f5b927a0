import datetime

import jax.numpy as jnp
import numpy as np
import pytest

from agejax.labels import DECODINGS, age_at, mean_age, median_age, quantile_age


def datenum(year, month, day):
    return datetime.date(year, month, day).toordinal() + 366


@pytest.mark.parametrize(
    ("birth", "year", "age"),
    [((1899, 5, 10), 1950, 51), ((1980, 6, 30), 2000, 20), ((1980, 7, 1), 2000, 19)],
)
def test_photos_count_as_taken_in_mid_year(birth, year, age):
    ages, known = age_at(np.array([datenum(*birth)]), np.array([year], np.uint16))
    assert known.all()
    assert ages == [age]


def test_the_official_datenum_of_1899():
    assert datenum(1899, 5, 10) == 693726


def test_a_photo_before_birth_is_a_negative_age_and_does_not_wrap():
    ages, known = age_at(np.array([datenum(1980, 1, 1)]), np.array([1950], np.uint16))
    assert known.all()
    assert ages == [-30]


def test_every_day_agrees_with_the_calendar():
    days = np.arange(datenum(1850, 1, 1), datenum(2016, 1, 1), 13)
    ages, known = age_at(days, np.full(days.shape, 2015, np.uint16))
    dates = [datetime.date.fromordinal(int(d) - 366) for d in days]
    assert known.all()
    assert ages.tolist() == [2015 - d.year - (d.month >= 7) for d in dates]


def test_dates_that_no_calendar_has_are_unknown():
    last = datenum(9999, 12, 31)
    dob = np.array([0, 1, 366, 367, last, last + 1, 4_000_000, -5, np.nan, np.inf])
    _, known = age_at(dob, np.full(dob.shape, 2000))
    assert known.tolist() == [0, 0, 0, 1, 1, 0, 0, 0, 0, 0]


def random_distributions(n=64):
    logits = np.random.default_rng(0).normal(0, 3, (n, 101))
    p = np.exp(logits)
    return (p / p.sum(-1, keepdims=True)).astype(np.float32)


@pytest.mark.parametrize("decode", DECODINGS.values())
def test_a_certain_age_decodes_to_itself(decode):
    np.testing.assert_allclose(decode(np.eye(101, dtype=np.float32)), np.arange(101), atol=1e-4)


@pytest.mark.parametrize("decode", DECODINGS.values())
def test_numpy_and_jax_agree(decode):
    p = random_distributions()
    np.testing.assert_allclose(decode(p), decode(jnp.asarray(p)), atol=2e-3)


def test_the_median_is_between_its_neighbours_and_moves_smoothly():
    p = np.zeros(101)
    p[[30, 31]] = 0.5 + 1e-7, 0.5 - 1e-7
    q = np.zeros(101)
    q[[30, 31]] = 0.5 - 1e-7, 0.5 + 1e-7
    assert abs(median_age(p) - median_age(q)) < 1e-5
    assert median_age(p) == pytest.approx(30.5, abs=1e-5)


def test_the_median_has_the_least_expected_absolute_error():
    p = random_distributions(20).astype(np.float64)
    ages = np.arange(101)
    for row in p:
        error = lambda a, row=row: (row * abs(ages - a)).sum()
        assert error(round(float(median_age(row)))) <= error(round(float(mean_age(row)))) + 1e-9


def test_quantiles_are_ordered_and_cover_their_mass():
    p = random_distributions()
    low, high = quantile_age(p, 0.05), quantile_age(p, 0.95)
    assert (low <= median_age(p)).all()
    assert (median_age(p) <= high).all()
    inside = (np.arange(101) >= low[:, None] - 0.5) & (np.arange(101) <= high[:, None] + 0.5)
    assert ((p * inside).sum(-1) >= 0.9 - 1e-5).all()


def test_an_unnormalised_sum_does_not_push_a_quantile_off_the_end():
    p = np.full(101, 0.99 / 101, np.float32)
    assert quantile_age(p, 0.999) <= 100
    assert median_age(p) == pytest.approx(50, abs=1e-3)
