"""Age intervals of faces, by the calibration of all or of each predicted group."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from agejax.metrics import interval_groups
from agejax.metrics.calibration import LEVEL, Calibration, age_interval, needed_widening


def interval_of(p: Mapping[str, Any], calibration: Calibration) -> tuple[Any, Any, Any]:
    """Low, median and high age of faces, each [...] years; see `age_interval`.

    Args:
      p: {task: [..., classes]}, calibrated probabilities, NumPy or JAX arrays.
      calibration: with which they were calibrated.
    """
    widening = calibration.widening.get("age", 0.0)
    if groups := calibration.by_group.get("age"):
        widening = interval_groups.widenings(p, groups, widening)
    return age_interval(p["age"], widening)


def predicted_groups(
    p: Mapping[str, np.ndarray], calibration: Calibration
) -> dict[str, np.ndarray]:
    """{"predicted age*gender": str [N]}, by which the intervals are calibrated; {} by none."""
    found = {}
    for of in calibration.by_group.values():
        names = np.array(interval_groups.names_of(of["by"]))
        found[interval_groups.kind_of(of["by"])] = names[interval_groups.group_of(p, of["by"])]
    return found


def fit_by_group(
    p: Mapping[str, np.ndarray], age: np.ndarray, by: Sequence[str]
) -> dict[str, dict[str, Any]]:
    """The widening of each predicted group, as `Calibration.by_group` holds it.

    Args:
      p: {task: [N, classes]}, calibrated probabilities.
      age: int [N] years.
      by: some of `agejax.metrics.interval_groups.BY`.
    """
    score, group = (
        needed_widening(p["age"].astype(np.float64), age),
        interval_groups.group_of(p, by),
    )
    return {"age": interval_groups.fit_groups(score, group, by, LEVEL)}
