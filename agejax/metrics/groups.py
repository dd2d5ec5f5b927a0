"""Metrics of groups of faces: decades of age, genders and other attributes."""

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from agejax.labels import GENDERS
from agejax.metrics.bootstrap import ratio_intervals

UNKNOWN = "unknown"
FEW = 30  # with fewer faces, a group's mean is mostly noise

_AGES = re.compile(r"([0-9]+)(?:-[^*]*|\+)?(?:\*|$)")  # such as 20-29, 70+*F

Measure = tuple[np.ndarray, np.ndarray]  # float [N] values, bool [N] whether each counts
Groups = dict[str, dict[str, dict[str, Any]]]


def decades(age: np.ndarray, known: np.ndarray, last: np.ndarray | None = None) -> np.ndarray:
    """int [N] years -> str [N]: "0-9", "10-19", ... "60-69", "70+"; "unknown" where not `known`.

    An age range, up to `last`, that does not lie within one decade is "unknown", too.
    """
    tens, ends = (np.minimum(x // 10, 7) for x in (age, age if last is None else last))
    names = np.array([*(f"{10 * i}-{10 * i + 9}" for i in range(7)), "70+", UNKNOWN])
    return names[np.where(known & (tens == ends), tens, 8)]


def genders(label: np.ndarray, known: np.ndarray) -> np.ndarray:
    """int [N] and bool [N] -> str [N]: "F", "M" or "unknown"."""
    return np.where(known, np.array(GENDERS)[np.clip(label, 0, 1)], UNKNOWN)


def by_group(
    measures: Mapping[str, Measure], groups: Mapping[str, np.ndarray], cluster: np.ndarray
) -> Groups:
    """The means of measures over groups, with their bootstrap intervals.

    Args:
      measures: {name: (float [N], counts bool [N])}, such as the absolute errors and which ages
        are known.
      groups: {kind: str [N]}, such as {"race": [...]}: each face's group, for each kind.
      cluster: [N], the faces resampled together; see `agejax.metrics.bootstrap`.

    Returns:
      {kind: {group: {"n", NAME, NAME_interval: [low, high] (95%)}}}, groups in their natural order,
      "unknown" last. Means of no faces, and intervals of fewer than two clusters, are None.
    """
    cells = [
        (kind, group) for kind, of in groups.items() for group in sorted(set(of), key=group_order)
    ]
    members = {(kind, group): groups[kind] == group for kind, group in cells}
    columns = [(cell, name) for cell in cells for name in measures]
    counts = np.stack([members[cell] & measures[name][1] for cell, name in columns], axis=1)
    values = np.stack([measures[name][0] for _, name in columns], axis=1) * counts
    intervals = ratio_intervals(values, counts.astype(np.float64), cluster)
    result: Groups = {kind: {} for kind in groups}
    for cell in cells:
        result[cell[0]][cell[1]] = {"n": int(members[cell].sum())}
    for j, ((kind, group), name) in enumerate(columns):
        n, interval = counts[:, j].sum(), intervals[j].tolist()
        result[kind][group] |= {
            name: float(values[:, j].sum() / n) if n else None,
            f"{name}_interval": None if np.isnan(interval).any() else interval,
        }
    return result


def worst_to_mean(groups: Mapping[str, Mapping[str, Any]], mean: float, name: str = "mae") -> Any:
    """The worst group's mean over that of all faces; None if no group has 30 known faces."""
    worst = [
        figures[name]
        for group, figures in groups.items()
        if group != UNKNOWN and figures["n"] >= FEW and figures[name] is not None
    ]
    return max(worst) / mean if worst and mean > 0 else None


def group_order(group: str) -> tuple[bool, int, str]:
    """The key by which groups are sorted: ages by their number, names, then "unknown"."""
    start = _AGES.match(group)
    return group == UNKNOWN, int(start[1]) if start else 0, group
