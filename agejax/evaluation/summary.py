"""The metrics of an evaluation, from probabilities and labels."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from agejax.data.faces import Faces
from agejax.labels import median_age
from agejax.metrics import calibration as calibrations
from agejax.metrics import curves
from agejax.metrics.balanced import balanced_figures
from agejax.metrics.calibration import Calibration
from agejax.metrics.crossed import crossed
from agejax.metrics.equality import equality
from agejax.metrics.groups import UNKNOWN, Measure, by_group, decades, genders, worst_to_mean
from agejax.metrics.intervals import interval_of, predicted_groups
from agejax.metrics.masked_sums import compute, metric_sums, off
from agejax.metrics.reliability import expected_calibration_error, inside, risk_when_set_aside
from agejax.metrics.thresholds import threshold_figures

Probabilities = Mapping[str, np.ndarray]
GROUPS = ("all", "decade", "gender")  # kinds of groups formed by labels, and all faces


def score(probabilities: Probabilities, faces: Faces) -> dict[str, dict[str, Any]]:
    """{task: metrics} of predicted faces, as in `agejax.metrics.masked_sums.compute`."""
    exact = {task: p.astype(np.float64) for task, p in probabilities.items()}
    return compute(metric_sums(exact, faces.labels, faces.known, upto=faces.upto))


def validation_figures(
    raw: Probabilities, faces: Faces, offset: Mapping[str, Sequence[float]] | None = None
) -> tuple[dict[str, Any], Calibration]:
    """`score` of validation faces, and the calibration used for it and shipped with the weights.

    `raw` are the model's own probabilities, `offset` as in `agejax.metrics.calibration.fit`. The
    calibration is also logged, as "calibration".
    """
    fitted = calibrations.fit(raw, faces.labels, faces.known, upto=faces.upto, offset=offset)
    figures: dict[str, Any] = score(calibrations.calibrated(raw, fitted), faces)
    return figures | {"calibration": dict(vars(fitted))}, fitted


def selection_error(figures: Mapping[str, Any]) -> float:
    """What the best checkpoint minimises: the age MAE, or the NLL if no age is known."""
    if figures["age"]["n"]:
        return figures["age"]["mae"]["median"]
    return sum(of["nll"] for of in figures.values() if "nll" in of)


def baseline(train: Faces | None, faces: Faces) -> dict[str, Any]:
    """The result of guessing the training median age (MAE, years) and majority class (accuracy).

    {"age_mae", "gender_accuracy", ...}; None if no training or evaluated label is known. With an
    "age_mae" also "age_median", and "age_cumulative": the shares of faces within 0, 1, ... 20 years
    of it.
    """
    guesses: dict[str, Any] = {}
    for task in faces.labels:
        name = "age_mae" if task == "age" else f"{task}_accuracy"
        guesses[name] = None
        if train is None or not train.known[task].any() or not faces.known[task].any():
            continue
        (first, last), (low, high) = _known_range(train, task), _known_range(faces, task)
        if task == "age":
            # The median of both ends minimises the distance to the ranges.
            median = float(np.median(np.concatenate([first, last])))
            error = off(np.full(len(low), median), low, high)
            guesses[name] = float(np.abs(error).mean())
            guesses["age_median"] = median
            guesses["age_cumulative"] = curves.within(error).mean(0).tolist()
        else:
            guesses[name] = float((low == np.bincount(first).argmax()).mean())
    return guesses


def label_counts(faces: Faces) -> dict[str, Any]:
    """{"n", "persons" (None where not known), TASK: [faces of each (first) label]}."""
    known = {task: labels[faces.known[task]] for task, labels in faces.labels.items()}
    return {
        "n": len(faces),
        "persons": None if faces.person is None else len(np.unique(faces.person)),
        **{task: np.bincount(labels).tolist() for task, labels in known.items()},
    }


def _known_range(faces: Faces, task: str) -> tuple[np.ndarray, np.ndarray]:
    """The first and the last class of each known label; both are the same if it is exact."""
    known, label = faces.known[task], faces.labels[task]
    return label[known], faces.upto.get(task, label)[known]


def evaluation_figures(
    raw: Probabilities,
    calibration: Calibration,
    faces: Faces,
    attributes: Mapping[str, np.ndarray] | None = None,
    thresholds: Sequence[int] = (),
    cross: str | None = None,
    train: Faces | None = None,
) -> dict[str, Any]:
    """All metrics of an evaluation, as listed in `agejax.evaluation.evaluate.evaluate`.

    Args:
      raw: {task: float32 [N, classes]}, the model's own.
      calibration: the checkpoint's; an empty one if it has none.
      faces: the N faces.
      attributes: {kind: str [N]}, for metrics by group.
      thresholds: ages, in whole years, at which errors are counted.
      cross: kinds of groups to cross, such as "race*gender".
      train: the training faces, by whose ages shots are counted.
    """
    p = calibrations.calibrated(raw, calibration)
    measures = _measures(p, calibration, faces)
    by_face = faces.person is None
    people = np.arange(len(faces)) if faces.person is None else faces.person
    kinds = kinds_of(faces, attributes)
    crossing = crossed(cross, kinds) if cross else {}
    everybody = {"all": np.full(len(faces), "all")}
    # Beside true groups, those by which intervals are calibrated: they promise coverage in each.
    every_kind = everybody | kinds | crossing | predicted_groups(p, calibration)
    groups = by_group(measures, every_kind, people)
    whole = groups.pop("all")["all"]
    figures: dict[str, Any] = score(p, faces)
    uncalibrated = score(raw, faces)
    for task, numbers in figures.items():
        numbers |= _reliability(task, p, calibration, faces)
        uncalibrated[task] |= _reliability(task, raw, Calibration(), faces)
    of_age = figures["age"]
    if of_age["n"]:
        of_age |= {
            key: whole[key] for key in ("mae_interval", "bias", "bias_interval", "cs5_interval")
        }
        of_age["interval"]["coverage_interval"] = whole["coverage_interval"]
    for task in (task for task in figures.keys() - {"age"} if figures[task]["n"]):
        figures[task]["accuracy_interval"] = whole[f"{task}_accuracy_interval"]
    return {
        **figures,
        "uncalibrated": uncalibrated,
        "calibration": dict(vars(calibration)),
        "groups": groups,
        "worst_to_mean": {
            kind: worst_to_mean(of, whole["mae"] or 0.0) for kind, of in groups.items()
        },
        "interval_over": "faces" if by_face else "persons",
        "persons": None if by_face else len(np.unique(people)),
        "curves": {
            **_curves(p, calibration, faces, people),
            "uncalibrated": _honesty(raw, faces, people),
        },
        "equality": equality(*measures["mae"], kinds | crossing, people),
        "balanced": _balanced(measures["mae"][0], faces, kinds, people, train),
        "thresholds": _thresholds(p, faces, kinds, thresholds, calibration.challenge),
    }


def kinds_of(
    faces: Faces, attributes: Mapping[str, np.ndarray] | None = None
) -> dict[str, np.ndarray]:
    """{kind: str [N]}: decades, genders and the attributes, by which faces are grouped."""
    age = faces.labels["age"]
    kinds = {"decade": decades(age, faces.known["age"], faces.upto.get("age", age))}
    if "gender" in faces.labels:
        kinds["gender"] = genders(faces.labels["gender"], faces.known["gender"])
    return kinds | dict(attributes or {})


def _balanced(
    error: np.ndarray,
    faces: Faces,
    kinds: Mapping[str, np.ndarray],
    people: np.ndarray,
    train: Faces | None,
) -> dict[str, Any]:
    """The means over cells of faces of exact age; {} if there are none."""
    age = faces.labels["age"]
    rows = faces.known["age"] & (age == faces.upto.get("age", age))
    if not rows.any():
        return {}
    seen = None if train is None else np.bincount(train.labels["age"][train.known["age"]])
    unknown = np.full(len(faces), UNKNOWN)
    gender = kinds.get("gender", unknown)
    return balanced_figures(error[rows], age[rows], gender[rows], people[rows], seen)


def _thresholds(
    p: Probabilities,
    faces: Faces,
    kinds: Mapping[str, np.ndarray],
    thresholds: Sequence[int],
    challenge: Mapping[str, Mapping[str, Any]],
) -> dict[str, dict[str, Any]]:
    """The errors at thresholds of faces of known age; age bands stand in for decades."""
    known = faces.known["age"]
    if not known.any():
        return {}
    groups = {kind: of[known] for kind, of in kinds.items() if kind != "decade"}
    ages = p["age"][known], *_known_range(faces, "age")
    return threshold_figures(*ages, groups, thresholds, challenge)


def _measures(p: Probabilities, calibration: Calibration, faces: Faces) -> dict[str, Measure]:
    """The values averaged over groups: years and shares for ages, the accuracy of other tasks."""
    age, known = faces.labels["age"], faces.known["age"]
    last = faces.upto.get("age", age)
    low, median, high = interval_of(p, calibration)
    error = off(median, age, last)
    values = {
        "mae": np.abs(error),
        "bias": error,
        "cs5": np.abs(error) <= 5 + 1e-3,  # as in agejax.metrics.masked_sums
    }
    measures = {name: (value.astype(np.float64), known) for name, value in values.items()}
    # Not defined for an age range.
    measures["coverage"] = inside(low, high, age).astype(np.float64), known & (age == last)
    for task in p.keys() - {"age"}:
        right = p[task].argmax(-1) == faces.labels[task]
        measures[f"{task}_accuracy"] = right.astype(np.float64), faces.known[task]
    return measures


def _curves(
    p: Probabilities, calibration: Calibration, faces: Faces, people: np.ndarray
) -> dict[str, dict[str, curves.Curve]]:
    """{task: {name: curve}}, of tasks with a known label."""
    found = _honesty(p, faces, people)
    for task in found:
        rows = faces.known[task]
        exact, label, who = p[task][rows].astype(np.float64), faces.labels[task][rows], people[rows]
        if task == "age":
            low, median, high = (end[rows] for end in interval_of(p, calibration))
            error, uncertainty = off(median, *_known_range(faces, task)), high - low
            found[task]["by_age"] = curves.error_by_age(error, label, who)
            found[task]["by_year"] = curves.error_by_year(error, label, who)
            found[task]["cumulative"] = curves.cumulative_score(error, who)
            loss = np.abs(error)
        else:
            loss, uncertainty = (exact.argmax(-1) != label).astype(np.float64), -exact.max(-1)
        found[task]["risk"] = curves.risk_by_coverage(loss, uncertainty, who)
    return found


def _honesty(
    p: Probabilities, faces: Faces, people: np.ndarray
) -> dict[str, dict[str, curves.Curve]]:
    """The curves that calibration should straighten."""
    found = {}
    for task, of in p.items():
        label = faces.labels[task]
        # For an age range it is not known whether an interval contains the true age.
        if (rows := faces.known[task] & (label == faces.upto.get(task, label))).any():
            args = of[rows].astype(np.float64), label[rows], people[rows]
            found[task] = (
                {"coverage": curves.coverage_by_level(*args)}
                if task == "age"
                else {"reliability": curves.reliability(*args)}
            )
    return found


def _reliability(
    task: str, p: Probabilities, calibration: Calibration, faces: Faces
) -> dict[str, Any]:
    p_task = p[task][faces.known[task]]
    label, last = _known_range(faces, task)
    if not len(label):
        return {}
    if task != "age":
        return {"ece": expected_calibration_error(p_task, label)}
    low, _, high = (end[faces.known[task]] for end in interval_of(p, calibration))
    error = np.abs(off(median_age(p_task.astype(np.float64)), label, last))
    exact = label == last
    return {
        "interval": {
            "level": calibrations.LEVEL,
            "coverage": float(inside(low, high, label)[exact].mean()) if exact.any() else None,
            "width": float((high - low).mean()),
        },
        "mae_when_set_aside": risk_when_set_aside(error, high - low),
    }
