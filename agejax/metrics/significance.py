"""Differences between ways of training on the same faces, and their significance."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import t as student


@dataclass(frozen=True)
class Difference:
    """The difference between two ways of training.

    Attributes:
      value: the difference of their metrics.
      interval: 95%, (low, high); NaN if it is not known.
      p: probability of a difference this large by chance, for this comparison alone; NaN likewise.
    """

    value: float
    interval: tuple[float, float]
    p: float


def pooled_deviation(groups: Sequence[Sequence[float]]) -> tuple[float, int]:
    """The spread of seeds: the standard deviation within groups, and its degrees of freedom.

    All groups are assumed to have the same spread, as in an analysis of variance, since the three
    seeds of one group are too few. (NaN, 0) if no group has two.
    """
    squares = sum(float(np.sum((np.asarray(g) - np.mean(g)) ** 2)) for g in groups)
    free = sum(len(group) - 1 for group in groups)
    return (float(np.sqrt(squares / free)), free) if free else (float("nan"), 0)


def difference(
    value: float, draws: np.ndarray, seeds: tuple[int, int], deviation: float, free: int
) -> Difference:
    """A difference, with the uncertainty from the choice of faces and, if known, of seeds.

    Its variance is that of its bootstrap draws over persons, plus that of the means of the seeds.
    Degrees of freedom are Satterthwaite's (Biometrics Bulletin 1946); the first term, from hundreds
    of persons, has infinitely many.

    Args:
      value: the difference.
      draws: [R] bootstrap draws of it (paired).
      seeds: number of seeds on each side.
      deviation: standard deviation of one seed's metric, from `pooled_deviation`.
      free: its degrees of freedom; 0 if the spread of seeds is not known, which is then left out.
    """
    of_faces = float(np.var(draws))
    of_seeds = deviation**2 * sum(1 / n for n in seeds) if free else 0.0
    variance = of_faces + of_seeds
    if np.isnan(variance):
        return Difference(value, (float("nan"), float("nan")), float("nan"))
    degrees = free * (variance / of_seeds) ** 2 if of_seeds else np.inf
    error = float(np.sqrt(variance))
    half = float(student.ppf(0.975, degrees)) * error
    if error == 0:
        return Difference(value, (value, value), 1.0 if value == 0 else 0.0)
    p = 2 * float(student.sf(abs(value) / error, degrees))
    return Difference(value, (value - half, value + half), p)


def holm(p: np.ndarray, comparisons: int | None = None) -> np.ndarray:
    """p values adjusted for multiple comparisons (Holm, Scand. J. Statist. 1979).

    Args:
      p: [K]; NaN values stay NaN, and count.
      comparisons: the number of all comparisons, if the K are a part of them; by default K. The K
        are treated as the smallest p values, which is conservative.
    """
    n = len(p) if comparisons is None else comparisons
    order = np.argsort(p)
    adjusted = np.minimum(np.maximum.accumulate(p[order] * (n - np.arange(len(p)))), 1)
    result = np.empty_like(adjusted)
    result[order] = adjusted
    return result
