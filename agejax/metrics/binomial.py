"""Exact intervals of shares: counts of independent faces, whatever their number."""

from typing import Any

import numpy as np
from scipy.special import betaincinv


def clopper_pearson(count: Any, n: Any, level: float = 0.95) -> tuple[Any, Any]:
    """The exact binomial interval of a share (Clopper and Pearson, Biometrika 1934).

    It contains the true share with at least the probability `level`, for any `n`. The `n` faces
    are taken as independent; where persons have several, it is somewhat too narrow.

    Args:
      count: int [...], from 0 to n.
      n: int [...]; of none, the interval is 0 to 1.
      level: in (0, 1).

    Returns:
      Low and high end, float64 [...].
    """
    count, n = np.asarray(count, np.float64), np.asarray(n, np.float64)
    tail, misses = (1 - level) / 2, n - count
    # The clipped arguments are those of ends that are 0 and 1 anyhow.
    low = betaincinv(np.maximum(count, 1), misses + 1, tail)
    high = betaincinv(count + 1, np.maximum(misses, 1), 1 - tail)
    return np.where(count > 0, low, 0.0), np.where(misses > 0, high, 1.0)
