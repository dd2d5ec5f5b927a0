"""Predictions for each face of a split: the `.npz` files that evaluations write.

Other tools may write such files as well: see `agejax.evaluation.evaluate.evaluate`. A table of
predictions is simpler: see `agejax.evaluation.predicted_tables`.
"""

from pathlib import Path

import numpy as np

from agejax.checkpoints.run_dir import check_is_folder
from agejax.data.npz import read_npz
from agejax.errors import UserError, first_line
from agejax.evaluation.predicted_tables import SUFFIXES
from agejax.labels import median_age
from agejax.metrics.masked_sums import off

TASKS = ("age", "gender")
_ARRAYS = ("label", "upto", "known", "probabilities")


def predicted(task: str, one: dict[str, np.ndarray]) -> np.ndarray:
    """[N]: the median age in years, or the most likely class; or what a table has."""
    if f"{task}_predicted" in one:
        return one[f"{task}_predicted"]
    p = one[f"{task}_probabilities"]
    return median_age(p.astype(np.float64)) if task == "age" else p.argmax(-1)


def tasks_of(one: dict[str, np.ndarray]) -> list[str]:
    """The tasks that a file predicts."""
    return [t for t in TASKS if f"{t}_probabilities" in one or f"{t}_predicted" in one]


def losses(task: str, one: dict[str, np.ndarray]) -> np.ndarray:
    """[N]: the error of the age in years (outside a range), or whether a class is right."""
    value, label = predicted(task, one), one[f"{task}_label"]
    if task == "age":
        return np.abs(off(value, label, one[f"{task}_upto"]))
    return (value == label).astype(np.float64)


def is_predictions(path: Path) -> bool:
    """Whether a path is that of a file of predictions, by its name; a run is a folder."""
    return path.suffix.lower() in (".npz", *SUFFIXES) and not path.is_dir()


def is_table(path: Path) -> bool:
    """Whether a file of predictions is a table, which has no true ages."""
    return is_predictions(path) and path.suffix.lower() != ".npz"


def predictions_file(path: Path, split: str) -> Path:
    """The predictions file of a run on a split; the path of such a file is returned unchanged.

    Raises:
      UserError: there is no such file.
    """
    if is_predictions(path):
        if not path.is_file():
            raise UserError(f"{path}: there is no such file")
        return path
    check_is_folder(path)
    file = path / "eval" / f"{split}.npz"
    if not file.is_file():
        raise UserError(
            f"{file}: there is no such file; evaluate the run first "
            f"(agejax evaluate {path} --split {split})"
        )
    return file


def evaluated_checkpoint(arrays: dict[str, np.ndarray]) -> tuple[int, dict[str, str]] | None:
    """The step and the identity of the checkpoint that a file is from; None if not recorded.

    See `agejax.checkpoints.checkpoint.Checkpoints.identity`.
    """
    words = arrays.get("checkpoint", np.array(0))
    if words.ndim != 1 or words.dtype.kind != "U" or not len(words):
        return None
    step, *parts = words.tolist()
    if not (step.isascii() and step.isdecimal() and len(step) < 20):
        return None
    return int(step), {part: of for part, _, of in (word.partition("=") for word in parts)}


def read_predictions(file: Path) -> dict[str, np.ndarray]:
    """The arrays of a file, sorted by path, and `checkpoint` if recorded.

    Raises:
      UserError: it does not have the format that `agejax.evaluation.evaluate` writes.
    """
    try:
        arrays = read_npz(file)
    except Exception as error:  # zipfile, zlib and NumPy raise different types
        raise UserError(f"{file}: cannot be read ({first_line(error)})") from error
    path = arrays.get("path", np.array([]))
    if path.ndim != 1 or path.dtype.kind not in "US" or not len(path):
        raise UserError(f"{file}: it has no array `path` of names")
    tasks = [task for task in TASKS if f"{task}_probabilities" in arrays]
    for task in tasks:
        p, label = arrays[f"{task}_probabilities"], arrays.get(f"{task}_label", np.array(0))
        arrays.setdefault(f"{task}_known", np.ones(len(path), bool))
        arrays.setdefault(f"{task}_upto", label)
        known, last = arrays[f"{task}_known"], arrays[f"{task}_upto"]
        if known.shape != path.shape or known.dtype.kind != "b":
            raise UserError(f"{file}: {task}_known is not a boolean for each face")
        if label.shape != path.shape or label.dtype.kind not in "iu":
            raise UserError(f"{file}: {task}_label is not an integer for each face")
        if last.shape != path.shape or last.dtype.kind not in "iu":
            raise UserError(f"{file}: {task}_upto is not an integer for each face")
        if p.ndim != 2 or len(p) != len(path) or p.dtype.kind != "f" or not np.isfinite(p).all():
            raise UserError(f"{file}: {task}_probabilities are not finite numbers for each face")
    order = np.argsort(path)
    if (twice := path[order][1:] == path[order][:-1]).any():
        raise UserError(f"{file}: the path {str(path[order][1:][twice][0])!r} occurs twice")
    kept = ["path", *(["person"] if "person" in arrays else [])]
    kept += [f"{task}_{what}" for task in tasks for what in _ARRAYS]
    extra = {name: arrays[name] for name in ("checkpoint",) if name in arrays}
    of_faces = {name: arrays[name][order] for name in kept}
    return of_faces | {"path": path[order].astype(str)} | extra


def check_same_faces(
    our_file: Path, ours: dict[str, np.ndarray], file: Path, theirs: dict[str, np.ndarray]
) -> None:
    """Raises `UserError` if two files are not of the same faces with the same labels."""
    differ = np.setxor1d(ours["path"], theirs["path"])
    if len(differ) or len(ours["path"]) != len(theirs["path"]):
        example = f", such as {differ[0]}" if len(differ) else ""
        raise UserError(f"{our_file} and {file} are not of the same faces{example}")
    for name in (f"{task}_{what}" for task in TASKS for what in ("label", "known")):
        if name in ours and name in theirs and (wrong := ours[name] != theirs[name]).any():
            raise UserError(
                f"{our_file} and {file} differ in {name} of {wrong.sum():,} faces, "
                f"such as {ours['path'][wrong.argmax()]}"
            )
