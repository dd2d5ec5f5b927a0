"""The figures of `peers.py`: by group, with paired differences and their bootstrap intervals."""

import numpy as np
from peers_faces import Crops

from agejax.metrics.bootstrap import intervals, ratio_draws
from agejax.metrics.groups import decades
from agejax.metrics.significance import difference, holm

EVERYONE = "all"


def firsts(crops: Crops) -> np.ndarray:
    """int [G]: the first year of each age group."""
    return np.unique(crops.age)


def measures(crops: Crops, said: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """{measure: float [N]}: of exact ages "mae" and "bias", of groups "exact" and "one_off".

    A predicted age is in the group that holds its nearest whole year.
    """
    right = (said["male"] >= 0.5) == crops.male
    if (crops.age == crops.upto).all():
        off = said["age"] - crops.age
        return {"mae": np.abs(off), "bias": off, "gender": right.astype(float)}
    group = lambda age: np.searchsorted(firsts(crops), age, side="right") - 1
    apart = np.abs(group(np.floor(said["age"] + 0.5)) - group(crops.age))
    found = {"exact": apart == 0, "one_off": apart <= 1, "gender": right}
    return {name: values.astype(float) for name, values in found.items()}


def groups(crops: Crops) -> dict[str, np.ndarray]:
    """{kind: str [N]}: the group of each face."""
    exact = (crops.age == crops.upto).all()
    ends = zip(crops.age.tolist(), crops.upto.tolist(), strict=True)
    age = (
        decades(crops.age, np.ones(len(crops), bool))
        if exact
        else np.array([f"{low}-{high}" if high < 100 else f"{low}+" for low, high in ends])
    )
    gender = np.where(crops.male, "male", "female")
    both = np.char.add(np.char.add(crops.race, ", "), gender)
    return {
        EVERYONE: np.full(len(crops), EVERYONE),
        "age": age,
        "gender": gender,
        "race": crops.race,
        "race and gender": both,
    }


def compare(crops: Crops, said: dict[str, dict[str, np.ndarray]], against: str) -> dict:
    """The figures of all sides, and how each differs from one of them on the same faces.

    Returns:
      {measure: {kind: {group: {"n", "sides": {side: {"value", "interval", and, for all but
      `against`, "difference" (its value less that of `against`), "difference_interval", "p"}}}}}};
      "p_holm" for all faces, over the sides. Intervals are 95%, None for groups of one face.
    """
    of_sides = {side: measures(crops, answers) for side, answers in said.items()}
    names, at = list(of_sides), list(of_sides).index(against)
    kinds = groups(crops)
    cells = [(kind, group) for kind, of in kinds.items() for group in ordered(of)]
    members = np.stack([kinds[kind] == group for kind, group in cells], 1).astype(float)
    figures: dict = {}
    for measure in of_sides[against]:
        values = np.stack([of_sides[name][measure] for name in names], 1)
        above = (values[:, :, None] * members[:, None]).reshape(len(crops), -1)
        below = np.repeat(members[:, None], len(names), 1).reshape(len(crops), -1)
        draws = ratio_draws(above, below, crops.same)
        means = (above.sum(0) / below.sum(0)).reshape(len(names), len(cells))
        ends = intervals(draws).reshape(len(names), len(cells), 2)
        draws = draws.reshape(len(draws), len(names), len(cells))
        figures[measure] = {kind: {} for kind in kinds}
        for j, (kind, group) in enumerate(cells):
            sides = {}
            for i, name in enumerate(names):
                sides[name] = {"value": float(means[i, j]), "interval": _known(ends[i, j])}
                if i != at:
                    d = difference(
                        float(means[i, j] - means[at, j]),
                        draws[:, i, j] - draws[:, at, j],
                        (1, 1),
                        float("nan"),
                        0,
                    )
                    sides[name] |= {
                        "difference": d.value,
                        "difference_interval": _known(d.interval),
                        "p": None if np.isnan(d.p) else d.p,
                    }
            figures[measure][kind][group] = {"n": int(members[:, j].sum()), "sides": sides}
        others = [s for s in figures[measure][EVERYONE][EVERYONE]["sides"].values() if "p" in s]
        adjusted = holm(np.array([np.nan if s["p"] is None else s["p"] for s in others]))
        for side, p in zip(others, adjusted, strict=True):
            side["p_holm"] = None if np.isnan(p) else float(p)
    return figures


def coverage(crops: Crops, said: dict[str, np.ndarray]) -> dict[str, dict[str, float]]:
    """{kind: {group: share of the ages within the 90% interval}}, for exact ages."""
    inside = (said["low"] <= crops.age) & (crops.age <= said["high"])
    return {
        kind: {group: float(inside[of == group].mean()) for group in ordered(of)}
        for kind, of in groups(crops).items()
        if kind != "race and gender"
    }


def histogram(ages: np.ndarray) -> list[int]:
    """The number of faces in each whole year, 0 to 100."""
    years = np.clip(np.floor(ages + 0.5), 0, 100).astype(int)
    return np.bincount(years, minlength=101).tolist()


def ordered(names: np.ndarray) -> list[str]:
    """Groups in order: by their first number, then by name."""
    number = lambda name: int("".join(c for c in name.split("-")[0] if c.isdecimal()) or 0)
    return sorted(set(names.tolist()), key=lambda name: (number(name), name))


def _known(ends) -> list[float] | None:
    low, high = map(float, ends)
    return None if np.isnan(low + high) else [low, high]
