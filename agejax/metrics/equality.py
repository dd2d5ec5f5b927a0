"""Whether the error is the same in all groups of a kind, and how bad the worst one is."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy.stats import t as student

from agejax.metrics.bootstrap import ratio_draws
from agejax.metrics.groups import FEW, UNKNOWN
from agejax.metrics.significance import holm


def equality(
    error: np.ndarray, known: np.ndarray, groups: Mapping[str, np.ndarray], people: np.ndarray
) -> dict[str, dict[str, Any]]:
    """The MAE of each group against that of all others, corrected for the number of groups.

    Groups of under 30 faces of known age, and "unknown", are not tested. The variance is that of
    the cluster bootstrap over persons, enlarged by k / (k - 1) for the k persons of a group, with
    k - 1 degrees of freedom; p values are adjusted within a kind (Holm, 1979).

    Args:
      error: float [N], absolute, years.
      known: bool [N].
      groups: {kind: str [N]}.
      people: [N], resampled together.

    Returns:
      {kind: {"cells": the groups that are tested, "p": the smallest adjusted p of a difference,
        "worst": {"group", "n", "mae", "interval", "simultaneous": an interval that holds for all
        groups together, 95% (Bonferroni)}, "groups": {group: {"n", "mae", "difference" (years),
        "interval", "p", "p_holm"}}}}. None where there are too few groups or persons.
    """
    return {kind: _of_kind(error, known, of, people) for kind, of in groups.items()}


def _of_kind(
    error: np.ndarray, known: np.ndarray, of: np.ndarray, people: np.ndarray
) -> dict[str, Any]:
    there, counts = np.unique(of[known], return_counts=True)
    named = zip(there.tolist(), counts, strict=True)
    names = [name for name, n in named if n >= FEW and name != UNKNOWN]
    if not names:
        return {"cells": 0, "p": None, "worst": None, "groups": {}}
    inside = np.stack([known & (of == name) for name in names], axis=1)
    members = np.concatenate([inside, known[:, None] & ~inside], axis=1).astype(np.float64)
    values = members * np.where(known, error, 0)[:, None]
    with np.errstate(invalid="ignore"):  # a group that holds all faces has no others
        means = values.sum(0) / members.sum(0)
    draws = ratio_draws(values, members, people)
    k = len(names)
    persons = np.array([len(np.unique(people[rows])) for rows in inside.T])
    mean, other = means[:k], means[k:]
    own = _errors(draws[:, :k], persons)
    apart = _errors(draws[:, :k] - draws[:, k:], persons)
    p = np.array([_p(d, e, n) for d, e, n in zip(mean - other, apart, persons, strict=True)])
    adjusted = holm(p)
    found = {
        name: {
            "n": int(inside[:, i].sum()),
            "mae": float(mean[i]),
            "difference": _number(mean[i] - other[i]),
            "interval": _interval(mean[i] - other[i], apart[i], persons[i]),
            "p": _number(p[i]),
            "p_holm": _number(adjusted[i]),
        }
        for i, name in enumerate(names)
    }
    i = int(mean.argmax())
    worst = {
        "group": names[i],
        "n": found[names[i]]["n"],
        "mae": float(mean[i]),
        "interval": _interval(mean[i], own[i], persons[i], lowest=0.0),
        "simultaneous": _interval(mean[i], own[i], persons[i], cells=k, lowest=0.0),
    }
    least = None if np.isnan(adjusted).all() else float(np.nanmin(adjusted))
    return {"cells": k, "p": least, "worst": worst, "groups": found}


def _errors(draws: np.ndarray, persons: np.ndarray) -> np.ndarray:
    """[R, K] -> [K]: standard errors; NaN where fewer than two persons contribute."""
    variance = np.full(len(persons), np.nan)
    there = ~np.isnan(draws).all(0) & (persons > 1)
    variance[there] = np.nanvar(draws[:, there], axis=0)
    return np.sqrt(variance * persons / np.maximum(persons - 1, 1))


def _p(difference: float, error: float, persons: int) -> float:
    if error == 0:
        return 1.0 if difference == 0 else 0.0
    return 2 * float(student.sf(abs(difference) / error, max(persons - 1, 1)))


def _interval(
    value: float, error: float, persons: int, cells: int = 1, lowest: float = -np.inf
) -> list[float] | None:
    half = float(student.ppf(1 - 0.025 / cells, max(persons - 1, 1))) * error
    return None if np.isnan(half) else [max(lowest, float(value - half)), float(value + half)]


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
