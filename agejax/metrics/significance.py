"""Differences of several ways of training on the same faces: which are more than chance."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import t as student


@dataclass(frozen=True)
class Difference:
    """How one way of training differs from another.

    Attributes:
      value: the difference of their figures.
      interval: 95%, (low, high); NaN where it is not known.
      p: that chance alone gives one as far from 0, for this comparison by itself; NaN likewise.
    """

    value: float
    interval: tuple[float, float]
    p: float


def pooled_deviation(groups: Sequence[Sequence[float]]) -> tuple[float, int]:
    """The spread of seeds: the standard deviation inside groups, and its degrees of freedom.

    All groups are taken to spread alike, as an analysis of variance does: three seeds of one say
    too little. (NaN, 0) where no group has two.
    """
    squares = sum(float(np.sum((np.asarray(g) - np.mean(g)) ** 2)) for g in groups)
    free = sum(len(group) - 1 for group in groups)
    return (float(np.sqrt(squares / free)), free) if free else (float("nan"), 0)


def difference(
    value: float, draws: np.ndarray, seeds: tuple[int, int], deviation: float, free: int
) -> Difference:
    """A difference, with the chance of other faces and, where it is known, of other seeds.

    Its variance is that of its bootstrap draws over persons, plus that of the means of the seeds;
    degrees of freedom after Satterthwaite (Biometrics Bulletin 1946), of which the first, of
    hundreds of persons, has infinitely many.

    Args:
      value: the difference.
      draws: [R] of it, each on other faces (paired).
      seeds: how many stand on either side.
      deviation: of one seed's figure, as `pooled_deviation` gives it.
      free: its degrees of freedom; 0 where the spread of seeds is not known, and left out.
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
    """p values that hold for all comparisons together (Holm, Scand. J. Statist. 1979).

    Args:
      p: [K]; NaN ones stay so, and count.
      comparisons: how many there were, where the K are the smallest or some of more; by default K.
        Some of more are judged as if they were the smallest, which errs on the safe side.
    """
    n = len(p) if comparisons is None else comparisons
    order = np.argsort(p)
    adjusted = np.minimum(np.maximum.accumulate(p[order] * (n - np.arange(len(p)))), 1)
    result = np.empty_like(adjusted)
    result[order] = adjusted
    return result
