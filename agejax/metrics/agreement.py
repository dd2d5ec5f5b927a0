"""Agreement of two ways of measuring the same thing: Bland and Altman, Lancet 1986."""

from typing import Any

import numpy as np

from agejax.metrics.bootstrap import intervals, ratio_draws

_NORMAL = 1.96  # standard deviations on each side that hold 95% of a normal distribution


def agreement(difference: np.ndarray, people: np.ndarray) -> dict[str, Any]:
    """The bias of one measurement against another, and the 95% limits of agreement.

    Args:
      difference: float [N], one minus the other, in years; N > 0.
      people: [N], whose rows are resampled together (see `agejax.metrics.bootstrap`).

    Returns:
      {"n", "bias" (the mean difference), "deviation" (its standard deviation), "limits" [low, high]
      (bias minus and plus 1.96 deviations), and "bias_interval", "low_interval", "high_interval"
      (95%, by the cluster bootstrap; None with fewer than two persons)}.
    """
    columns = np.stack([difference, difference**2], axis=1)
    draws = ratio_draws(columns, np.ones_like(columns), people)
    mean, deviation = draws[:, 0], np.sqrt(np.maximum(draws[:, 1] - draws[:, 0] ** 2, 0))
    ends = np.stack([mean, mean - _NORMAL * deviation, mean + _NORMAL * deviation], axis=1)
    bias, spread = float(difference.mean()), float(difference.std())
    named = zip(("bias", "low", "high"), intervals(ends), strict=True)
    return {
        "n": len(difference),
        "bias": bias,
        "deviation": spread,
        "limits": [bias - _NORMAL * spread, bias + _NORMAL * spread],
        **{f"{name}_interval": None if np.isnan(x).any() else x.tolist() for name, x in named},
    }
