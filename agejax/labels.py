"""Labels: ages in years, gender codes, and how a distribution over ages becomes one age."""

from typing import Any

import numpy as np

AGES = 101  # whole years 0..100: DEX's age as classification (Rothe et al., IJCV 2018)
FEMALE, MALE = 0, 1  # as in IMDB-WIKI; UTKFace codes them the other way round
GENDERS = ("F", "M")
GENDER_NAMES = ("female", "male")

_EPOCH = 719529  # MATLAB's datenum of 1970-01-01
_YEAR_1, _YEAR_9999 = 367, 3652425  # datenums of 0001-01-01 and 9999-12-31


def age_at(dob: np.ndarray, photo_year: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Ages by IMDB-WIKI's rule, which assumes that every photo was taken in the middle of its year.

    Args:
      dob: [N] MATLAB datenums (days; 1 is 0000-01-01).
      photo_year: [N] years, of any integer dtype (the official one is uint16, which wraps).

    Returns:
      ages [N] int64 in whole years, which may be negative or huge, and known [N] bool: whether the
      datenum is a date of the years 1 to 9999. Ages of unknown dates are 0.
    """
    dob = np.asarray(dob, np.float64)
    known = (dob >= _YEAR_1) & (dob <= _YEAR_9999)
    day = (np.where(known, dob, _EPOCH).astype(np.int64) - _EPOCH).astype("datetime64[D]")
    month = day.astype("datetime64[M]").astype(np.int64)  # since 1970-01
    year, month = month // 12 + 1970, month % 12 + 1
    age = np.asarray(photo_year).astype(np.int64) - year - (month >= 7)
    return np.where(known, age, 0), known


def argmax_age(p: Any) -> Any:
    """[..., 101] probabilities -> [...] years: the most likely age."""
    xp = p.__array_namespace__()
    return xp.astype(p.argmax(-1), p.dtype)


def mean_age(p: Any) -> Any:
    """[..., 101] probabilities -> [...] years: the expected value, DEX's decoding."""
    xp = p.__array_namespace__()
    ages = xp.arange(p.shape[-1], dtype=p.dtype).reshape((1,) * (p.ndim - 1) + (-1,))
    return (p * ages).sum(-1)  # no matmul: accelerators would round the operands


def quantile_age(p: Any, q: float) -> Any:
    """[..., 101] probabilities -> [...] years: the q-quantile, linearly interpolated.

    The mass of age `a` is spread evenly over [a - 1/2, a + 1/2], so that a one-hot distribution
    decodes to its own age and a rounding difference in `p` moves the result by no more than that.
    Works on NumPy and JAX arrays. The median, q = 0.5, minimises the expected absolute error.
    """
    xp = p.__array_namespace__()
    upper = xp.cumulative_sum(p, axis=-1)
    q = q * upper[..., -1:]  # a softmax sums to one up to rounding
    k = xp.minimum((upper < q).sum(-1, keepdims=True), xp.asarray(p.shape[-1] - 1))
    mass = xp.take_along_axis(p, k, axis=-1)
    below = xp.take_along_axis(upper, k, axis=-1) - mass
    inside = (q - below) / xp.where(mass > 0, mass, xp.ones_like(mass))
    age = xp.astype(k, p.dtype) + xp.clip(inside, 0, 1) - 0.5
    return xp.clip(age[..., 0], 0, p.shape[-1] - 1)


def median_age(p: Any) -> Any:
    """[..., 101] probabilities -> [...] years: the interpolated median, which agejax reports."""
    return quantile_age(p, 0.5)


DECODINGS = {"argmax": argmax_age, "mean": mean_age, "median": median_age}
