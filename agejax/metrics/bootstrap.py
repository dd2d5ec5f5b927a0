"""95% intervals by resampling persons, since faces of one person are not independent."""

import numpy as np

_RESAMPLES = 2000
_AT_A_TIME = 50


def ratio_draws(
    numerators: np.ndarray, denominators: np.ndarray, cluster: np.ndarray, seed: int = 0
) -> np.ndarray:
    """K ratios of sums in 2,000 resamples, by the cluster bootstrap.

    Whole clusters are drawn with replacement (Efron, Ann. Statist. 1979; Davison and Hinkley,
    Bootstrap Methods and their Application, 1997, section 3.8). All K ratios share the draws, so
    that their differences are paired. A mean is the ratio of its sum to its count; this also holds
    for a mean over a subset of the faces.

    Args:
      numerators: float [N, K].
      denominators: float [N, K].
      cluster: [N], the person in each face, of any comparable dtype; N > 0.
      seed: of the draws.

    Returns:
      float64 [2000, K]; NaN for a ratio to which fewer than two clusters contribute, and in draws
      that contain none of them.
    """
    _, index = np.unique(cluster, return_inverse=True)
    people, ratios = int(index.max()) + 1, numerators.shape[1]
    sums = np.zeros((people, 2 * ratios))
    np.add.at(sums, index, np.concatenate([numerators, denominators], axis=1))
    rng = np.random.default_rng(seed)
    totals = []
    for _ in range(_RESAMPLES // _AT_A_TIME):
        draws = rng.integers(people, size=(_AT_A_TIME, people))
        apart = draws + people * np.arange(_AT_A_TIME)[:, None]  # each draw's own numbers
        counts = np.bincount(apart.ravel(), minlength=_AT_A_TIME * people)
        totals.append(counts.reshape(_AT_A_TIME, people).astype(np.float64) @ sums)
    above, below = np.split(np.concatenate(totals), 2, axis=1)
    drawn = np.divide(above, below, out=np.full_like(above, np.nan), where=below > 0)
    drawn[:, (sums[:, ratios:] > 0).sum(0) < 2] = np.nan
    return drawn


def ratio_intervals(
    numerators: np.ndarray, denominators: np.ndarray, cluster: np.ndarray, seed: int = 0
) -> np.ndarray:
    """95% percentile intervals of K ratios of sums; takes the arguments of `ratio_draws`.

    Returns:
      float64 [K, 2], low and high; NaN for a ratio to which fewer than two clusters contribute.
    """
    return intervals(ratio_draws(numerators, denominators, cluster, seed))


def intervals(draws: np.ndarray) -> np.ndarray:
    """float [R, K] -> the 95% percentile interval of each column, [K, 2]; NaN where it is all NaN.

    Draws that are NaN are ignored.
    """
    found = np.full((draws.shape[1], 2), np.nan)
    known = ~np.isnan(draws).all(0)
    if known.any():
        found[known] = np.nanpercentile(draws[:, known], [2.5, 97.5], axis=0).T
    return found
