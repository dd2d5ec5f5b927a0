"""How many labels are wrong, and how sharp the predictions are: fitted together."""

import dataclasses
import math

import numpy as np

from agejax.auditing.labels import Labels, mass
from agejax.metrics.calibration import tempered

_LEAST, _MOST = 1e-3, 0.6  # accepted shares of wrong labels
_TINY = 1e-12


@dataclasses.dataclass(frozen=True)
class Noise:
    """Fitted to the labels of one task.

    Attributes:
      rate: the estimated share of wrong labels.
      temperature: see `agejax.metrics.calibration`: what makes the predictions of faces whose
        labels are right honest.
    """

    rate: float
    temperature: float


def fit_noise(p: np.ndarray, labels: Labels) -> Noise:
    """The share of wrong labels and the temperature that make the labels likeliest.

    A label is that of its face, with the tempered prediction as its distribution, or a wrong one.

    Args:
      p: [N, classes] predictions of faces that their predictor has not seen.
      labels: their labels, at least one of them known.
    """
    at = labels.known
    first, last, wrong = labels.first[at], labels.last[at], mass(labels.wrong, labels.first,
                                                                  labels.last)[at]  # fmt: skip
    p = p[at]

    def fitted(log_t: float) -> tuple[float, float]:
        own = np.maximum(mass(tempered(p, math.exp(log_t)), first, last), _TINY)
        rate = 0.1
        for _ in range(60):  # expectation and maximisation: converges from any start
            rate = float((rate * wrong / (rate * wrong + (1 - rate) * own)).mean())
            rate = min(max(rate, _LEAST), _MOST)
        return float(-np.log(rate * wrong + (1 - rate) * own).mean()), rate

    tried = {log_t: fitted(log_t) for log_t in np.linspace(math.log(0.4), math.log(2.5), 12)}
    middle, step = min(tried, key=lambda t: tried[t][0]), math.log(2.5 / 0.4) / 11
    for _ in range(4):
        step /= 2
        for log_t in (middle - step, middle + step):
            tried.setdefault(log_t, fitted(log_t))
        middle = min((middle - step, middle, middle + step), key=lambda t: tried[t][0])
    return Noise(tried[middle][1], math.exp(middle))
