"""Errors at age thresholds: who is under one and read as over it, and the reverse.

An age is read in whole years, as it is printed: the median, rounded. A face is read as T or older
exactly where P(age >= T) is at least one half. Of faces whose true age is below T, those that are
read as T or older have *passed*; of the others, those that are read as under T are *challenged*.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from agejax.labels import median_age
from agejax.metrics.binomial import clopper_pearson
from agejax.metrics.groups import FEW, group_order

BANDS = (0, 13, 18, 25, 35, 45, 55, 65)  # first years of the age bands
_CHALLENGES = 20  # years above a threshold up to which challenge ages are shown
_BINS = 10  # of P(age >= T)


def whole_years(age: np.ndarray) -> np.ndarray:
    """float [...] years -> int64 [...]: the whole year that is printed, halves rounded up."""
    return np.floor(age + 0.5).astype(np.int64)


def at_least(p: np.ndarray, threshold: int) -> np.ndarray:
    """[..., classes] probabilities of ages -> float64 [...]: P(age >= threshold)."""
    p = p.astype(np.float64)
    return np.clip(p[..., threshold:].sum(-1) / p.sum(-1), 0, 1)


def threshold_figures(
    p: np.ndarray,
    first: np.ndarray,
    last: np.ndarray,
    groups: Mapping[str, np.ndarray],
    thresholds: Sequence[int],
    challenge: Mapping[str, Mapping[str, Any]] | None = None,
) -> dict[str, dict[str, Any]]:
    """The errors of N faces at each threshold.

    Args:
      p: float [N, classes], calibrated probabilities of ages.
      first: int [N], true ages; the first year where they are ranges.
      last: int [N], the last year. A range that contains a threshold counts on neither side of it.
      groups: {kind: str [N]}.
      thresholds: whole years.
      challenge: of a calibration; its thresholds are added.

    Returns:
      {"18": {"under": SIDE, "over": SIDE, "bands": {"13-17": SIDE, ...},
        "groups": {KIND: {GROUP: {"under": SIDE, "over": SIDE}}},
        "challenge": {"age": [18, 19, ...], "passed", "passed_interval", "challenged",
          "challenged_interval"}: the counts if those read as younger than this age were challenged,
        "probability": {"n", "mean", "share", "brier", "ece", "bins": {"n", "mean", "share",
          "share_interval"}}: of P(age >= 18), against the share of those of 18 or older,
        "kept": {"pass_under", "confidence", "n", "age" and "probability": None where nobody may
          pass, else {"at", "under": SIDE, "over": SIDE}}: the calibration's limits, where it has
          some, and the errors of these faces at them}}.
      A SIDE is {"n", "passed" or "challenged", "low", "high", "judged"}: counts of faces, the exact
      95% interval of their share, and whether there are 30 faces or more. Bands are cut at the
      threshold, so that each has one kind of error; those without faces are left out.
    """
    read = whole_years(median_age(p.astype(np.float64)))
    challenge = challenge or {}
    return {
        str(t): {
            **_sides(read >= t, first, last, t),
            "bands": _bands(read, first, last, t),
            "groups": {kind: _groups(of, read, first, last, t) for kind, of in groups.items()},
            "challenge": _challenge(read, first, last, t),
            "probability": _probability(at_least(p, t), first, last, t),
            **_kept(challenge.get(str(t)), read, at_least(p, t), first, last, t),
        }
        for t in sorted({*thresholds, *map(int, challenge)})
    }


def _side(name: str, count: Any, n: Any) -> dict[str, Any]:
    low, high = clopper_pearson(count, n)
    shown = {"low": float(low), "high": float(high), "judged": bool(n >= FEW)}
    return {"n": int(n), name: int(count)} | shown


def _sides(passes: np.ndarray, first: np.ndarray, last: np.ndarray, t: int) -> dict[str, Any]:
    under, over = last < t, first >= t
    return {
        "under": _side("passed", (under & passes).sum(), under.sum()),
        "over": _side("challenged", (over & ~passes).sum(), over.sum()),
    }


def _kept(
    limits: Mapping[str, Any] | None,
    read: np.ndarray,
    q: np.ndarray,
    first: np.ndarray,
    last: np.ndarray,
    t: int,
) -> dict[str, Any]:
    if limits is None:
        return {}
    found = {name: limits[name] for name in ("pass_under", "confidence", "n")}
    for name, score in (("age", read), ("probability", q)):
        at = limits[name]
        sides = None if at is None else {"at": at, **_sides(score >= at, first, last, t)}
        found[name] = sides
    return {"kept": found}


def _bands(read: np.ndarray, first: np.ndarray, last: np.ndarray, t: int) -> dict[str, Any]:
    starts = sorted({*BANDS, t})
    ends: list[float] = [*(start - 1 for start in starts[1:]), np.inf]
    found = {}
    for start, end in zip(starts, ends, strict=True):
        rows = (first >= start) & (last <= end)
        if rows.any():
            name = f"{start}+" if end == np.inf else f"{start}-{end}"
            side = "under" if start < t else "over"
            found[name] = _sides(read[rows] >= t, first[rows], last[rows], t)[side]
    return found


def _groups(
    of: np.ndarray, read: np.ndarray, first: np.ndarray, last: np.ndarray, t: int
) -> dict[str, Any]:
    return {
        str(group): _sides(read[of == group] >= t, first[of == group], last[of == group], t)
        for group in sorted(set(of.tolist()), key=group_order)
    }


def _challenge(read: np.ndarray, first: np.ndarray, last: np.ndarray, t: int) -> dict[str, Any]:
    ages = np.arange(t, t + _CHALLENGES + 1)
    under, over = read[last < t], read[first >= t]
    passed = (under[:, None] >= ages).sum(0)
    challenged = (over[:, None] < ages).sum(0)
    return {
        "age": ages.tolist(),
        "passed": passed.tolist(),
        "passed_interval": _intervals(passed, len(under)),
        "challenged": challenged.tolist(),
        "challenged_interval": _intervals(challenged, len(over)),
    }


def _probability(q: np.ndarray, first: np.ndarray, last: np.ndarray, t: int) -> dict[str, Any]:
    rows = (last < t) | (first >= t)
    q, truth = q[rows], first[rows] >= t
    if not len(q):
        return {"n": 0}
    bin_of = np.minimum((q * _BINS).astype(int), _BINS - 1)
    n = np.bincount(bin_of, minlength=_BINS)
    there = n > 0
    above = np.bincount(bin_of, truth, minlength=_BINS)[there]
    mean = np.bincount(bin_of, q, minlength=_BINS)[there] / n[there]
    share = above / n[there]
    return {
        "n": len(q),
        "mean": float(q.mean()),
        "share": float(truth.mean()),
        "brier": float(((q - truth) ** 2).mean()),
        "ece": float((np.abs(mean - share) * n[there]).sum() / len(q)),
        "bins": {
            "n": n[there].tolist(),
            "mean": mean.tolist(),
            "share": share.tolist(),
            "share_interval": _intervals(above, n[there]),
        },
    }


def _intervals(count: np.ndarray, n: Any) -> list[list[float]]:
    return np.stack(clopper_pearson(count, n), axis=-1).tolist()
