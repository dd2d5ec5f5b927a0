"""Curves with 95% intervals: by age, error tolerance, interval level and confidence.

Each function takes N rows whose label is known, N > 0, and `people`, [N], whose rows are resampled
together (see `agejax.metrics.bootstrap`). Each returns a dict of lists of equal length, ready for
JSON: X, and X_interval, the [low, high] of each X, or None where it cannot be computed.
"""

from typing import Any

import numpy as np

from agejax.labels import AGES, quantile_age
from agejax.metrics.bootstrap import ratio_intervals
from agejax.metrics.reliability import confidence_bins, inside

Curve = dict[str, list[Any]]

SLACK = 1e-3  # years: an error of exactly 5 years must not depend on rounding
_LEVELS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
_KEPT = tuple(i / 20 for i in range(20, 1, -1))  # all, 95%, ... 10%


def error_by_age(error: np.ndarray, age: np.ndarray, people: np.ndarray, years: int = 5) -> Curve:
    """MAE and bias by age, in groups from `low` to `high`, for groups that have faces.

    The last group ends at 100.

    Args:
      error: float [N], predicted minus true, years.
      age: int [N], true, years.
      people: see above.
      years: width of a group.
    """
    last = (AGES - 2) // years
    group = np.minimum(age // years, last)
    there = np.unique(group)
    members = group[:, None] == there
    return {
        "low": (there * years).tolist(),
        "high": [AGES - 1 if i == last else (i + 1) * years - 1 for i in there.tolist()],
        "n": members.sum(0).tolist(),
        **_means("mae", np.abs(error)[:, None], members, people),
        **_means("bias", error[:, None], members, people),
    }


def error_by_year(error: np.ndarray, age: np.ndarray, people: np.ndarray) -> Curve:
    """MAE and bias of each single year of age that has faces; takes what `error_by_age` does."""
    years = np.unique(age)
    members = age[:, None] == years
    return {
        "age": years.tolist(),
        "n": members.sum(0).tolist(),
        **_means("mae", np.abs(error)[:, None], members, people),
        **_means("bias", error[:, None], members, people),
    }


def within(error: np.ndarray, most: int = 20) -> np.ndarray:
    """float [N] years -> bool [N, most + 1]: whether an error is at most 0, 1, ... `most` years."""
    return np.abs(error)[:, None] <= np.arange(most + 1) + SLACK


def cumulative_score(error: np.ndarray, people: np.ndarray) -> Curve:
    """The share of faces whose error, float [N] years, is at most 0, 1, ... 20 years."""
    close = within(error)
    years = list(range(close.shape[1]))
    return {"years": years, **_means("share", close, np.ones_like(close), people)}


def coverage_by_level(p: np.ndarray, age: np.ndarray, people: np.ndarray) -> Curve:
    """The share of faces whose age, int [N], lies in the central interval of each level.

    The intervals are quantiles of the distributions p, float [N, 101], without widening. Those of a
    calibrated distribution have a coverage equal to their level (Gneiting, Balabdaoui and Raftery,
    J. R. Stat. Soc. B 2007).
    """
    ends = [
        (quantile_age(p, (1 - level) / 2), quantile_age(p, (1 + level) / 2)) for level in _LEVELS
    ]
    covered = np.stack([inside(low, high, age) for low, high in ends], axis=1)
    return {"level": list(_LEVELS), **_means("share", covered, np.ones_like(covered), people)}


def risk_by_coverage(loss: np.ndarray, uncertainty: np.ndarray, people: np.ndarray) -> Curve:
    """The mean loss of the share `kept`, with the least certain faces set aside.

    See El-Yaniv and Wiener, JMLR 2010, and `agejax.metrics.reliability.risk_when_set_aside`. `best`
    is the loss of an oracle, which sets the largest losses aside.

    Args:
      loss: float [N] >= 0.
      uncertainty: float [N]; ties keep the order of rows.
      people: see above.
    """
    n = [len(loss) - int(len(loss) * (1 - kept) + 1e-9) for kept in _KEPT]
    rank = np.argsort(np.argsort(uncertainty, kind="stable"))
    least = np.sort(loss)
    return {
        "kept": list(_KEPT),
        "n": n,
        **_means("risk", loss[:, None], rank[:, None] < n, people),
        "best": [float(least[:count].mean()) for count in n],
    }


def reliability(p: np.ndarray, label: np.ndarray, people: np.ndarray) -> Curve:
    """Mean confidence and accuracy in bins of confidence (Guo et al., ICML 2017, figure 1).

    The bins are those of `agejax.metrics.reliability.expected_calibration_error`, which is the mean
    distance of the two, weighted by the bin's `n`. Empty bins are left out.

    Args:
      p: float [N, classes].
      label: int [N].
      people: see above.
    """
    bins, confidence, right = confidence_bins(p, label)
    members = bins[:, None] == np.unique(bins)
    return {
        "n": members.sum(0).tolist(),
        "confidence": _means("x", confidence[:, None], members, people)["x"],
        **_means("accuracy", right[:, None], members, people),
    }


def _means(name: str, values: np.ndarray, counted: np.ndarray, people: np.ndarray) -> Curve:
    """Means of values [N, K or 1] over rows selected by `counted`, bool [N, K]; never empty."""
    weights = counted.astype(np.float64)
    above = values * weights
    intervals = ratio_intervals(above, weights, people)
    return {
        name: (above.sum(0) / weights.sum(0)).tolist(),
        f"{name}_interval": [None if np.isnan(x).any() else x.tolist() for x in intervals],
    }
