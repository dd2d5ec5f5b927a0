"""Mean errors in which rare ages count as much as common ones."""

import itertools
from typing import Any

import numpy as np

from agejax.metrics.bootstrap import intervals, ratio_draws
from agejax.metrics.groups import FEW, UNKNOWN
from agejax.metrics.thresholds import BANDS

# Training faces of an age by which it is many-, medium- or few-shot (Yang et al., ICML 2021).
_MANY, _FEW_SHOT = 100, 20


def balanced_figures(
    error: np.ndarray,
    age: np.ndarray,
    gender: np.ndarray,
    people: np.ndarray,
    train: np.ndarray | None,
) -> dict[str, Any]:
    """Means over cells of the N faces, each cell with the same weight.

    Args:
      error: float [N], absolute, years, N > 0.
      age: int [N], true, exact.
      gender: str [N].
      people: [N], resampled together.
      train: int [ages], the training faces of each age; None if not known.

    Returns:
      {"sex_and_age": the mean of the MAEs of cells of sex and age, in the manner of NIST's FATE
        AEV, with the age bands of agejax.metrics.thresholds: {"mae", "interval", "cells",
        "too_few": the cells of under 30 faces, left out},
       "years": the mean of the MAEs of single years, the balanced MAE of imbalanced regression
        (Ren et al., CVPR 2022): {"mae", "interval", "cells"},
       "many", "medium", "few": the faces whose age has over 100, 20 to 100, and under 20 training
        faces: {"n", "mae": over faces, "interval", "years": over single years}; None without
        training faces}.
      An "mae" is None where there is no such face. An "interval" is the 95% cluster bootstrap's;
      in a draw that lacks a cell, and for cells of one person, the cell counts with its mean, so
      that it is too narrow where many cells have few persons. None if all faces are of one person.
    """
    start = np.array(BANDS)[np.searchsorted(BANDS, age, side="right") - 1]
    ends = {first: last - 1 for first, last in itertools.pairwise(BANDS)}
    bands = {b: f"{b}-{ends[b]}" if b in ends else f"{b}+" for b in BANDS}
    names = np.array(
        [f"{g} {bands[b]}" for g, b in zip(gender.tolist(), start.tolist(), strict=True)]
    )
    counts = {name: int((names == name).sum()) for name in np.unique(names[gender != UNKNOWN])}
    cells = [name for name, n in counts.items() if n >= FEW]
    too_few = [str(name) for name, n in counts.items() if n < FEW]
    years = np.unique(age)
    of_year = age[:, None] == years
    found: dict[str, Any] = {
        "sex_and_age": {
            **_mean_of_means(error, names[:, None] == np.array(cells), people),
            "too_few": too_few,
        },
        "years": _mean_of_means(error, of_year, people),
    }
    for name in ("many", "medium", "few"):
        found[name] = None
    if train is not None:
        seen = np.pad(train, (0, max(0, int(age.max()) + 1 - len(train))))
        shots = {"many": seen > _MANY, "medium": (seen >= _FEW_SHOT) & (seen <= _MANY)}
        for name, which in (shots | {"few": seen < _FEW_SHOT}).items():
            rows = which[age]
            over = _mean_of_means(error, rows[:, None], people)
            per_year = _mean_of_means(error, of_year[:, which[years]], people)
            found[name] = {
                "n": int(rows.sum()),
                "mae": over["mae"],
                "interval": over["interval"],
                "years": per_year["mae"],
            }
    return found


def _mean_of_means(error: np.ndarray, members: np.ndarray, people: np.ndarray) -> dict[str, Any]:
    """{"mae", "interval", "cells"} over the columns of bool [N, K] that have a face."""
    members = members.reshape(len(error), -1)
    weights = members[:, members.any(0)].astype(np.float64)
    if not weights.shape[1]:
        return {"mae": None, "interval": None, "cells": 0}
    values = weights * error[:, None]
    means = values.sum(0) / weights.sum(0)
    draws = ratio_draws(values, weights, people)
    interval = None
    if not np.isnan(draws).all():
        drawn = np.where(np.isnan(draws), means, draws).mean(1)
        interval = intervals(drawn[:, None])[0].tolist()
    return {"mae": float(means.mean()), "interval": interval, "cells": weights.shape[1]}
