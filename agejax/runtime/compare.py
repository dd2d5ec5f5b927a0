"""Two models on the same faces: is one better, or was it luck? Read from what evaluations wrote."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from agejax.errors import UserError
from agejax.labels import median_age
from agejax.train.bootstrap import ratio_intervals
from agejax.train.metrics import off

_NAMES = {"age": "age MAE, years", "gender": "gender accuracy"}
_ARRAYS = ("label", "upto", "known", "probabilities")


def compare(a: Sequence[Path], b: Sequence[Path], split: str = "test") -> dict[str, Any]:
    """The differences of two sides' figures, with paired bootstrap intervals.

    A face counts with its mean error over a side's runs, so that several seeds speak for one way of
    training. Both sides are then drawn together, person by person: what is hard about a face costs
    both. The intervals are of other faces, not of other seeds.

    Args:
      a: runs of one side, or the `.npz` files of another tool; see `agejax.runtime.evaluate` for
        their form, of which `person` and `TASK_known` can be missing, and a task.
      b: of the other.
      split: whose `eval/SPLIT.npz` is read of runs.

    Returns:
      {"n", "persons" (None where unknown), "interval_over", "a": [names], "b": [names],
      "age": {"n", "a", "b" (MAE of the median, years), "difference" (b - a), "interval" (95%)},
      "gender": the same of the accuracy}, for the tasks that all of them have.

    Raises:
      UserError: a file is missing or of another form, or the faces differ.
    """
    files = [[_file(path, split) for path in side] for side in (a, b)]
    sides = [[_read(file) for file in side] for side in files]
    first, everyone = sides[0][0], [*sides[0], *sides[1]]
    for file, other in zip(files[0] + files[1], everyone, strict=True):
        _check_same_faces(files[0][0], first, file, other)
    person = next((one["person"] for one in everyone if "person" in one), None)
    n = len(first["path"])
    figures: dict[str, Any] = {
        "n": n,
        "persons": None if person is None else len(np.unique(person)),
        "interval_over": "faces" if person is None else "persons",
        "a": [str(file) for file in files[0]],
        "b": [str(file) for file in files[1]],
    }
    for task in _NAMES:
        if all(f"{task}_probabilities" in one for one in everyone):
            losses = [np.mean([_loss(task, one) for one in side], axis=0) for side in sides]
            figures[task] = _paired(losses[0], losses[1], first[f"{task}_known"], person)
    if not figures.keys() & _NAMES.keys():
        raise UserError(f"{files[0][0]} and {files[1][0]} have no task in common")
    return figures


def comparison_table(figures: dict[str, Any]) -> str:
    """What `compare` gives, as lines for people."""
    people = f" of {figures['persons']:,} persons" if figures["persons"] else ""
    lines = [
        f"{figures['n']:,} faces{people}; the 95% intervals are over {figures['interval_over']}"
    ]
    lines += [f"  {side.upper()}: {', '.join(figures[side])}" for side in "ab"]
    for task, name in _NAMES.items():
        if task not in figures:
            continue
        of, scale, form = figures[task], *((1, ".2f") if task == "age" else (100, ".1f"))
        unit = "" if task == "age" else "%"
        difference = f"B - A {of['difference'] * scale:+{form}}"
        if of["interval"]:
            low, high = (end * scale for end in of["interval"])
            difference += f" (95%: {low:+{form}} to {high:+{form}})"
            difference += "" if low <= 0 <= high else ", more than chance"
        sides = ", ".join(f"{side.upper()} {of[side] * scale:{form}}{unit}" for side in "ab")
        lines.append(f"  {name}: {sides}; {difference}")
    return "\n".join(lines)


def _paired(
    a: np.ndarray, b: np.ndarray, known: np.ndarray, person: np.ndarray | None
) -> dict[str, Any]:
    a, b = a[known], b[known]
    if not len(a):
        raise UserError("no label of the faces is known: there is nothing to compare")
    people = np.arange(len(a)) if person is None else person[known]
    interval = ratio_intervals((b - a)[:, None], np.ones((len(a), 1)), people)[0]
    return {
        "n": len(a),
        "a": float(a.mean()),
        "b": float(b.mean()),
        "difference": float((b - a).mean()),
        "interval": None if np.isnan(interval).any() else interval.tolist(),
    }


def _loss(task: str, one: dict[str, np.ndarray]) -> np.ndarray:
    """[N]: the error of the median age in years (of a range: outside it), or a class is right."""
    p, label = one[f"{task}_probabilities"], one[f"{task}_label"]
    if task == "age":
        return np.abs(off(median_age(p.astype(np.float64)), label, one[f"{task}_upto"]))
    return (p.argmax(-1) == label).astype(np.float64)


def _file(path: Path, split: str) -> Path:
    if path.suffix == ".npz":
        if not path.is_file():
            raise UserError(f"{path}: there is no such file")
        return path
    file = path / "eval" / f"{split}.npz"
    if not file.is_file():
        raise UserError(
            f"{file}: there is no such file; evaluate the run first "
            f"(launch.py --config.mode=eval --config.eval.split={split})"
        )
    return file


def _read(file: Path) -> dict[str, np.ndarray]:
    """The arrays of a file, sorted by path.

    Raises:
      UserError: it is not of the form that `agejax.runtime.evaluate` writes.
    """
    try:
        with np.load(file, allow_pickle=False) as npz:
            arrays = dict(npz)
    except Exception as error:  # zipfile, zlib and NumPy each have their own
        raise UserError(f"{file}: cannot be read ({error})") from error
    path = arrays.get("path", np.array([]))
    if path.ndim != 1 or path.dtype.kind not in "US" or not len(path):
        raise UserError(f"{file}: it has no array `path` of names")
    tasks = [task for task in _NAMES if f"{task}_probabilities" in arrays]
    for task in tasks:
        p, label = arrays[f"{task}_probabilities"], arrays.get(f"{task}_label")
        arrays.setdefault(f"{task}_known", np.ones(len(path), bool))
        arrays.setdefault(f"{task}_upto", label)
        if label is None or label.shape != path.shape or label.dtype.kind not in "iu":
            raise UserError(f"{file}: it has no whole {task}_label for each of its faces")
        if p.ndim != 2 or len(p) != len(path) or p.dtype.kind != "f" or not np.isfinite(p).all():
            raise UserError(f"{file}: {task}_probabilities are not finite numbers of each face")
    order = np.argsort(path)
    kept = ["path", *(["person"] if "person" in arrays else [])]
    kept += [f"{task}_{what}" for task in tasks for what in _ARRAYS]
    return {name: arrays[name][order] for name in kept} | {"path": path[order].astype(str)}


def _check_same_faces(
    our_file: Path, ours: dict[str, np.ndarray], file: Path, theirs: dict[str, np.ndarray]
) -> None:
    differ = np.setxor1d(ours["path"], theirs["path"])
    if len(differ) or len(ours["path"]) != len(theirs["path"]):
        example = f", {differ[0]} for one" if len(differ) else ""
        raise UserError(f"{our_file} and {file} are not of the same faces{example}")
    for name in (f"{task}_{what}" for task in _NAMES for what in ("label", "known")):
        if name in ours and name in theirs and (wrong := ours[name] != theirs[name]).any():
            raise UserError(
                f"{our_file} and {file} differ in {name} of {wrong.sum():,} faces, "
                f"{ours['path'][wrong.argmax()]} for one"
            )
