"""Intervals calibrated for each predicted group: Mondrian conformal prediction.

Vovk, Gammerman and Shafer, Algorithmic Learning in a Random World, 2005, section 4.5: within each
group of a taxonomy the interval covers at the promised rate, if the group is a function of what is
known at prediction. A face's true age, gender or race is not, so that groups are those of the
predicted age band and the predicted gender.
"""

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from agejax.labels import GENDERS, median_age
from agejax.metrics.thresholds import BANDS

BY = ("age", "gender")  # whose predictions can be grouped


def check_by(by: Sequence[str]) -> None:
    """Raises a `ValueError` unless `by` is one or both of `BY`, in this order."""
    if not by or list(by) != [name for name in BY if name in by]:
        raise ValueError(f"groups are by {list(by)!r:.60}, not by some of {', '.join(BY)}")


def kind_of(by: Sequence[str]) -> str:
    """The name of a taxonomy, such as "predicted age*gender"."""
    return "predicted " + "*".join(by)


def names_of(by: Sequence[str]) -> list[str]:
    """The groups in the order of `group_of`: "0-12*F", "0-12*M", "13-17*F", ..., "65+*M"."""
    ends = itertools.pairwise(BANDS)
    bands = [*(f"{first}-{following - 1}" for first, following in ends), f"{BANDS[-1]}+"]
    parts = {"age": bands, "gender": list(GENDERS)}
    return ["*".join(group) for group in itertools.product(*(parts[name] for name in by))]


def group_of(p: Mapping[str, Any], by: Sequence[str]) -> Any:
    """The group of each face.

    Args:
      p: {task: [..., classes]}, calibrated probabilities, NumPy or JAX arrays. The age is the
        median, in whole years as printed; the gender is the more probable one.
      by: some of `BY`.

    Returns:
      int [...], an index into `names_of(by)`.
    """
    index: Any = 0
    if "age" in by:
        median = median_age(p["age"].astype(np.float64) if _is_numpy(p["age"]) else p["age"])
        index = sum((median >= first - 0.5).astype(np.int32) for first in BANDS[1:])
    if "gender" in by:
        male = p["gender"][..., 1] > p["gender"][..., 0]
        index = index * len(GENDERS) + male.astype(np.int32)
    return index


def fit_groups(
    score: np.ndarray, group: np.ndarray, by: Sequence[str], level: float
) -> dict[str, Any]:
    """The widening of each group: the score of the rank that the level needs among its faces.

    Args:
      score: float [N], the widening that each face needs to be inside its interval.
      group: int [N], by `group_of`.
      by: some of `BY`.
      level: of the interval.

    Returns:
      {"by": [...], "groups": {NAME: {"n", "widening"}}}. The widening is None, so that the one of
      all faces applies, where `n` is below `fewest(level)`.
    """
    found: dict[str, Any] = {}
    for i, name in enumerate(names_of(by)):
        own = np.sort(score[group == i])
        widening = float(own[rank(len(own), level) - 1]) if len(own) >= fewest(level) else None
        found[name] = {"n": len(own), "widening": widening}
    return {"by": list(by), "groups": found}


def rank(n: int, level: float) -> int:
    """Which of n scores, in ascending order from 1, covers a further face at this level.

    A further face of the group is at or below it with a probability of at least rank / (n + 1), and
    of exactly that if scores have no ties. A rank above n does not exist.
    """
    return math.ceil((n + 1) * level - 1e-9)  # 0.9 times 10 is 9, whatever the rounding


def fewest(level: float) -> int:
    """The smallest n whose rank exists: n >= level / (1 - level)."""
    return math.ceil(level / (1 - level) - 1e-9)


def widenings(p: Mapping[str, Any], fitted: Mapping[str, Any], otherwise: float) -> Any:
    """The widening of each face, [...], in the dtype of the age's probabilities.

    Args:
      p: as for `group_of`.
      fitted: as `fit_groups` gives it.
      otherwise: the widening of groups that have none.
    """
    own = [of["widening"] for of in fitted["groups"].values()]
    table = [otherwise if of is None else of for of in own]
    xp, dtype = p["age"].__array_namespace__(), p["age"].dtype
    if _is_numpy(p["age"]):
        dtype = np.float64
    # Selected by products instead of a lookup, which every export's runtime computes alike.
    group = group_of(p, fitted["by"])[..., None]
    last = lambda x: x.reshape((1,) * (group.ndim - 1) + (-1,))
    chosen = group == last(xp.arange(len(table), dtype=group.dtype))
    return (chosen.astype(dtype) * last(xp.asarray(table, dtype=dtype))).sum(-1)


def check_saved(by_group: Any, widening: Mapping[str, Any], level: float) -> None:
    """Raises a `ValueError` unless `by_group` is {} or {"age": what `fit_groups` returns}."""
    if not isinstance(by_group, Mapping) or by_group.keys() - {"age"}:
        raise ValueError(f"by_group is {by_group!r:.40}; it must be a dict by task, of age alone")
    for of in by_group.values():
        if not (isinstance(of, Mapping) and of.keys() == {"by", "groups"}):
            raise ValueError("by_group has other entries than by and groups")
        if not (isinstance(of["by"], list) and all(type(name) is str for name in of["by"])):
            raise ValueError(f"groups are by {of['by']!r:.40}, not by a list of names")
        check_by(of["by"])
        if not (isinstance(of["groups"], Mapping) and list(of["groups"]) == names_of(of["by"])):
            raise ValueError(f"its groups are not those by {' and '.join(of['by'])}")
        if "age" not in widening:
            raise ValueError("it has widenings of groups, but none of all faces")
        for name, group in of["groups"].items():
            if not (isinstance(group, Mapping) and group.keys() == {"n", "widening"}):
                raise ValueError(f"the group {name} has other entries than n and widening")
            n, share = group["n"], group["widening"]
            if not (type(n) is int and 0 <= n < 2**63):
                raise ValueError(f"the group {name} has n {n!r:.40}; it must be a number of faces")
            enough = type(share) in (int, float) and abs(share) < 1e300 and n >= fewest(level)
            if not (enough or (share is None and n < fewest(level))):
                raise ValueError(f"the group {name} of {n} faces has the widening {share!r:.40}")


def group_lines(by_group: Mapping[str, Any], level: float) -> list[str]:
    """What was fitted, as text."""
    lines = []
    for of in by_group.values():
        lines.append(f"widening of the {level:.0%} interval by {kind_of(of['by'])}:")
        for name, group in of["groups"].items():
            n, share = group["n"], group["widening"]
            said = f"{n} faces, below {fewest(level)}: as all faces"
            if share is not None:
                promised = rank(n, level) / (n + 1)
                said = f"{share:+.3f} by {n:,} faces, for {promised:.1%} of further ones"
            lines.append(f"  {name:8} {said}")
    return lines


def _is_numpy(x: Any) -> bool:
    return isinstance(x, np.ndarray)
