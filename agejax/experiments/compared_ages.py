"""Curves of the sides of a comparison in age: agreement, error by age, cumulative score."""

from typing import Any

import numpy as np

from agejax.evaluation.predictions import predicted
from agejax.experiments.compared_files import Compared
from agejax.metrics.agreement import agreement
from agejax.metrics.curves import cumulative_score, error_by_age
from agejax.metrics.masked_sums import off


def age_curves(compared: Compared, against: str) -> dict[str, dict[str, Any]]:
    """The curves of each side; all use the same resampled persons.

    Args:
      compared: what the sides predict; age is among their tasks, and some age is known.
      against: the side whose predictions the others' are also compared with.

    Returns:
      {side: {"by_age", "cumulative" (see `agejax.metrics.curves`; the mean over its runs),
        "truth": agreement of its mean prediction with exact true ages, or None if there are none,
        "reference": the same with the predictions of `against`; None for that side,
        "points": {"truth" | "reference": (mean of both, difference), float [N] years each}}}.
    """
    truth = compared.truth
    known = truth["age_known"]
    first, last = truth["age_label"][known], truth["age_upto"][known]
    people, exact = compared.people[known], first == last
    ages = {
        name: np.stack([predicted("age", one)[known] for one in of])
        for name, of in compared.read.items()
    }
    theirs = ages[against].mean(0)
    curves: dict[str, dict[str, Any]] = {}
    for name, of in ages.items():
        runs, mean = len(of), of.mean(0)
        errors = np.concatenate([off(one, first, last) for one in of])
        by_age = error_by_age(errors, np.tile(first, runs), np.tile(people, runs))
        curves[name] = {
            "by_age": by_age | {"n": [n // runs for n in by_age["n"]]},
            "cumulative": cumulative_score(errors, np.tile(people, runs)),
            "truth": None,
            "reference": None,
            "points": {},
        }
        pairs = {"truth": (mean[exact], first[exact].astype(float), people[exact])}
        if name != against:
            pairs["reference"] = (mean, theirs, people)
        for kind, (ours, other, who) in pairs.items():
            if len(ours):
                curves[name][kind] = agreement(ours - other, who)
                curves[name]["points"][kind] = ((ours + other) / 2, ours - other)
    return curves
