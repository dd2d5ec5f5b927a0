"""Compares ways of training on the same faces, with tests of significance.

It reads predictions for each face, so that other tools, and persons, can be compared, too.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from agejax.errors import UserError
from agejax.evaluation.predictions import is_table, losses
from agejax.experiments.compared_files import Compared, read_sides
from agejax.metrics.bootstrap import intervals, ratio_draws
from agejax.metrics.significance import Difference, difference, holm, pooled_deviation

_LARGEST = 1e6  # larger baselines are ignored as invalid
_LEVEL = 0.05  # family-wise error rate of all comparisons of a task


def compare(
    sides: Mapping[str, Sequence[Path]], split: str = "test", against: str | None = None
) -> dict[str, Any]:
    """Evaluates several sides, and the difference of each from a reference.

    A side is a way of training with one or more runs; the error of a face is its mean over these
    runs. Runs of a side that share no face are the folds of one. The bootstrap is paired: all sides
    use the same resampled persons. If a side has several runs, the variance between seeds is
    included; see `agejax.metrics.significance.difference`.

    Args:
      sides: the runs of each; or tables of predictions, see `agejax.evaluation.predicted_tables`;
        or `.npz` files in the format of `agejax.evaluation.evaluate`, in which `person`,
        `TASK_known` and one of the tasks are optional.
      split: the split whose `eval/SPLIT.npz` is read.
      against: the reference. If None, it is the side with the lowest age MAE (or the highest
        accuracy); as that choice depends on the figures, every pair then counts as a comparison.

    Returns:
      {"split", "n", "persons" (None if unknown), "interval_over": "persons" or "faces",
       "against", "chosen" (whether by these figures), "comparisons",
       "tasks": {"age" (MAE of the median, years) | "gender" (accuracy):
         {"n", "seed_deviation" (None if no side has two runs), "seed_degrees",
          "constant" (of predicting the median or the majority class; None if unknown)}},
       "sides": {name: {"files": [...], "ignored" (rows of tables that are of other faces),
         "age" | "gender": {"value", "interval" (95%, over faces), "runs" (the value of each),
           "difference" (this minus `against`), "difference_interval" (95%), "p",
           "p_holm", "verdict": "better", "worse", "noise", "reference" or "unknown"}}}},
      for the tasks that all files have. Intervals and p are None if unknown.

    Raises:
      UserError: a file is missing or has another format, the faces differ, or there are fewer than
        two sides, or tables alone, which have no true ages.
    """
    if len(sides) < 2:
        raise UserError("a comparison needs at least two sides")
    return compared_figures(read_sides(sides, split), split, against)


def compared_figures(compared: Compared, split: str, against: str | None) -> dict[str, Any]:
    """The figures of `compare` from what the sides predict.

    Raises:
      UserError: there is no side `against`, or no label of a task is known.
    """
    files, first, tasks, person = compared.files, compared.truth, compared.tasks, compared.person
    read = compared.read.items()
    tables = {
        task: {name: np.stack([losses(task, one) for one in of]) for name, of in read}
        for task in tasks
    }
    reference = _best(tasks[0], tables[tasks[0]], first) if against is None else against
    if reference not in files:
        raise UserError(f"there is no side {reference!r}; there are {', '.join(files)}")
    k = len(files)
    figures: dict[str, Any] = {
        "split": split,
        "n": len(first["path"]),
        "persons": None if person is None else len(np.unique(person)),
        "interval_over": "faces" if person is None else "persons",
        "against": reference,
        "chosen": against is None,
        "comparisons": k * (k - 1) // 2 if against is None else k - 1,
        "tasks": {},
        "sides": {
            name: {"files": [str(file) for file in of], "ignored": compared.ignored(name)}
            for name, of in files.items()
        },
    }
    constant = _constant([file for file in compared.every_file() if not is_table(file)])
    for task in tasks:
        of_sides, about = _task(task, tables[task], first, compared.people, figures)
        figures["tasks"][task] = about | {"constant": constant.get(task)}
        for name, numbers in of_sides.items():
            figures["sides"][name][task] = numbers
    return figures


def _task(
    task: str,
    tables: Mapping[str, np.ndarray],
    first: Mapping[str, np.ndarray],
    people: np.ndarray,
    figures: Mapping[str, Any],
) -> tuple[dict[str, dict[str, Any]], dict[str, Any]]:
    """The figures of each side in a task, and those common to all sides."""
    known = first[f"{task}_known"]
    if not known.any():
        raise UserError(f"the faces have no {task} labels: there is nothing to compare")
    runs = {name: table[:, known].mean(1) for name, table in tables.items()}
    columns = np.stack([table[:, known].mean(0) for table in tables.values()], axis=1)
    draws = ratio_draws(columns, np.ones_like(columns), people[known])
    spread, free = pooled_deviation(list(runs.values()))
    names, reference = list(tables), figures["against"]
    at = names.index(reference)
    apart = {
        name: difference(
            float(columns[:, i].mean() - columns[:, at].mean()),
            draws[:, i] - draws[:, at],
            (len(runs[name]), len(runs[reference])),
            spread,
            free,
        )
        for i, name in enumerate(names)
        if name != reference
    }
    p = holm(np.array([d.p for d in apart.values()]), figures["comparisons"])
    adjusted = dict(zip(apart, p, strict=True))
    of_sides = {}
    for i, (name, interval) in enumerate(zip(names, intervals(draws), strict=True)):
        of_sides[name] = {
            "value": float(columns[:, i].mean()),
            "interval": _known(*interval),
            "runs": runs[name].tolist(),
        }
        d = apart.get(name, Difference(0.0, (0.0, 0.0), 1.0))
        of_sides[name] |= {
            "difference": d.value,
            "difference_interval": _known(*d.interval),
            "p": None if np.isnan(d.p) else d.p,
            "p_holm": None if np.isnan(d.p) else float(adjusted.get(name, 1.0)),
            "verdict": _verdict(task, d, adjusted[name]) if name in apart else "reference",
        }
    about = {
        "n": int(known.sum()),
        "seed_deviation": spread if free else None,
        "seed_degrees": free,
    }
    return of_sides, about


def _best(task: str, tables: Mapping[str, np.ndarray], first: Mapping[str, np.ndarray]) -> str:
    known = first[f"{task}_known"]
    means = {name: float(table[:, known].mean()) for name, table in tables.items()}
    return min(means, key=lambda name: means[name] if task == "age" else -means[name])


def _verdict(task: str, d: Difference, p: float) -> str:
    if np.isnan(p):
        return "unknown"
    if p > _LEVEL:
        return "noise"
    return "better" if (d.value < 0) == (task == "age") else "worse"


def _known(*ends: float) -> list[float] | None:
    return None if np.isnan(ends).any() else [float(end) for end in ends]


def _constant(files: Sequence[Path]) -> dict[str, float]:
    """The baseline of the first evaluation that has one; all use the same faces."""
    for file in files:
        json_file = file.with_suffix(".json")
        if json_file.is_file():
            try:
                base = json.loads(json_file.read_text(encoding="utf-8"))["baseline"]
                found = {"age": base["age_mae"], "gender": base["gender_accuracy"]}
            except (OSError, ValueError, LookupError, TypeError, RecursionError):
                continue
            if all(type(x) in (int, float) and abs(x) < _LARGEST for x in found.values()):
                return {task: float(x) for task, x in found.items()}
    return {}
