"""Challenge ages of a run, fitted on the faces that calibrate it."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from agejax.config.validation import check_thresholds
from agejax.data.faces import Faces
from agejax.errors import UserError
from agejax.metrics.challenge import DIGITS, fewest_faces, fit_challenge

PASS_UNDER, CONFIDENCE = 0.01, 0.95


@dataclasses.dataclass(frozen=True)
class Asked:
    """The challenge ages to fit.

    Attributes:
      thresholds: whole years, each with limits of its own.
      pass_under: the largest share of those under a threshold that may pass.
      confidence: with which that is promised.
    """

    thresholds: Sequence[int]
    pass_under: float = PASS_UNDER
    confidence: float = CONFIDENCE

    def check(self) -> None:
        """Raises a `UserError` for what cannot be asked."""
        check_thresholds(self.thresholds, "--threshold")
        for name, share in (("pass-under", self.pass_under), ("confidence", self.confidence)):
            if not 0 < share < 1:
                raise UserError(f"--{name} is {share:g}; it must be above 0 and below 1")


def fit_challenges(asked: Asked, p: np.ndarray, faces: Faces) -> dict[str, dict[str, Any]]:
    """{threshold: limits}, as `fit_challenge` gives them, from the faces under each.

    Where persons are known, one face of each counts, chosen by the hash of its image: several of
    one person are not independent, and would promise more than they show.

    Args:
      asked: which.
      p: float [N, classes], calibrated probabilities of ages.
      faces: the N faces.

    Raises:
      UserError: no face is under a threshold.
    """
    last, found = faces.upto.get("age", faces.labels["age"]), {}
    for t in asked.thresholds:
        rows = _one_each(faces, np.flatnonzero(faces.known["age"] & (last < t)))
        if not len(rows):
            raise UserError(f"none of the {len(faces):,} faces is known to be under {t}")
        limits = fit_challenge(p[rows], t, float(asked.pass_under), float(asked.confidence))
        found[str(t)] = limits
    return found


def _one_each(faces: Faces, rows: np.ndarray) -> np.ndarray:
    """Of `rows`, int, one for each person."""
    if faces.person is None:
        return rows
    ordered = rows[np.argsort(faces.sha256[rows], kind="stable")]
    _, first = np.unique(faces.person[ordered], return_index=True)
    return np.sort(ordered[first])


def challenge_lines(challenge: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """What was fitted, as text."""
    lines = []
    for t, of in challenge.items():
        n, share = of["n"], of["pass_under"]
        promise = f"at most {share:.2%} under {t} pass, with {of['confidence']:.1%} confidence"
        lines.append(f"{t}: {_limits(t, of)}: {promise}, by {n:,} independent faces under {t}")
        if n < (need := fewest_faces(share, of["confidence"])):
            least = math.ceil(1e3 * (1 - (1 - of["confidence"]) ** (1 / n))) / 1e3
            lines.append(
                f"    for a limit, that takes {need:,} or more; {n:,} allow --pass-under {least:g}"
            )
    return lines


def _limits(t: str, of: Mapping[str, Any]) -> str:
    if of["age"] is None and of["probability"] is None:
        return "nobody is to pass"
    age = "nobody passes by age" if of["age"] is None else f"challenge age {of['age']}"
    cut = of["probability"]
    return f"{age}, or " + (
        "nobody by probability" if cut is None else f"P(age >= {t}) of {cut:.{DIGITS}f}"
    )
