"""Challenge ages: who has to show a card so that few of those under a threshold pass.

A face passes if it is read as old enough, by its age in whole years or by P(age >= threshold). Both
limits are chosen on faces under the threshold alone, with a bound that assumes nothing about their
distribution or about the model: with probability `confidence` over the choice of these faces, the
share of further such faces that pass is at most `pass_under`. These are one-sided tolerance limits
(Wilks, Ann. Math. Statist. 1941). Few faces give few promises: with none that can be kept, no face
passes at all.
"""

import math
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy.special import bdtr

from agejax.labels import AGES, median_age
from agejax.metrics.thresholds import at_least, whole_years

DIGITS = 4  # of a limit on a probability
_CUTS = np.arange(10**DIGITS // 2, 10**DIGITS + 1) / 10**DIGITS
_NUMBERS = (
    *("pass_under", "confidence", "n", "age", "probability"),
    *("passed_age", "passed_probability"),
)


def most_passing(n: int, pass_under: float, confidence: float) -> int:
    """How many of n faces may pass, so that the bound holds; -1 if even none is too many.

    That is the largest k for which a share above `pass_under` gives k of n or fewer with a
    probability of at most 1 - confidence.
    """
    return int((bdtr(np.arange(n + 1.0), n, pass_under) <= 1 - confidence).sum()) - 1


def fewest_faces(pass_under: float, confidence: float) -> int:
    """With how many faces, none of which passes, the bound holds."""
    return math.ceil(math.log1p(-confidence) / math.log1p(-pass_under))


def fit_challenge(
    p: np.ndarray, threshold: int, pass_under: float, confidence: float = 0.95
) -> dict[str, Any]:
    """The lowest limits at which at most `pass_under` pass.

    The limits are on fixed grids, whole years and multiples of 0.0001, and the share that passes
    falls along these, so that choosing the lowest costs no confidence; ties do no harm.

    Args:
      p: float [n, classes], calibrated probabilities of the ages of independent faces under the
        threshold: of persons with several, one each.
      threshold: whole years.
      pass_under: in (0, 1).
      confidence: in (0, 1).

    Returns:
      {"pass_under", "confidence", "n", "age": a face passes if its age in whole years is at least
      this, "probability": or if P(age >= threshold) is, "passed_age", "passed_probability": how
      many of the n do}. A limit is None where no face may pass. Each holds by itself; the promise
      is not for taking whichever of the two lets a face pass.
    """
    read = whole_years(median_age(p.astype(np.float64)))
    years = np.arange(threshold, p.shape[-1])
    return limits(read, at_least(p, threshold), years, pass_under, confidence)


def limits(
    read: np.ndarray,
    probability: np.ndarray,
    years: np.ndarray,
    pass_under: float,
    confidence: float,
) -> dict[str, Any]:
    """`fit_challenge`, of ages that are read already.

    Args:
      read: int [n], whole years.
      probability: float [n], of being at or over the threshold.
      years: int [K], the possible challenge ages, ascending.
      pass_under: in (0, 1).
      confidence: in (0, 1).
    """
    most = most_passing(len(read), pass_under, confidence)
    age, passed_age = _lowest(read, years, most)
    cut, passed_cut = _lowest(probability, _CUTS, most)
    return {
        "pass_under": pass_under,
        "confidence": confidence,
        "n": len(read),
        "age": age,
        "probability": cut,
        "passed_age": passed_age,
        "passed_probability": passed_cut,
    }


def _lowest(score: np.ndarray, grid: np.ndarray, most: int) -> tuple[Any, int]:
    """The lowest limit that at most so many scores reach, None if there is none; and how many."""
    reach = len(score) - np.searchsorted(np.sort(score), grid, side="left")
    allowed = np.flatnonzero(reach <= most)
    if not len(allowed):
        return None, 0
    return grid[allowed[0]].item(), int(reach[allowed[0]])


def check_saved(saved: Any) -> None:
    """Raises a `ValueError` unless `saved` is {threshold: what `fit_challenge` returns}."""
    if not isinstance(saved, Mapping):
        raise ValueError(f"challenge is {saved!r:.40}; it must be a dict by threshold")
    for t, of in saved.items():
        fits = isinstance(of, Mapping) and of.keys() == set(_NUMBERS)
        if not (fits and re.fullmatch(r"[1-9][0-9]?|100", str(t))):
            raise ValueError(f"the challenge at {t!r:.40} has other entries than {_NUMBERS}")
        limits = {"age": (int(t), AGES - 1), "probability": (0, 1)}
        for name in ("pass_under", "confidence"):
            if not (type(of[name]) is float and 0 < of[name] < 1):
                raise ValueError(f"the challenge at {t!r:.40} has {name} {of[name]!r:.40}")
        for name in ("n", "passed_age", "passed_probability"):
            if not (type(of[name]) is int and 0 <= of[name] < 2**63):
                raise ValueError(f"the challenge at {t!r:.40} has {name} {of[name]!r:.40}")
        for name, (low, high) in limits.items():
            value = of[name]
            if value is not None and not (type(value) in (int, float) and low <= value <= high):
                raise ValueError(f"the challenge at {t!r:.40} has {name} {value!r:.40}")
