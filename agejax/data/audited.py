"""Weights of labels, from the table that `agejax audit` writes."""

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from agejax.data.faces import Faces
from agejax.data.tables.parsing import BadRow, age_range, gender_code, image_path
from agejax.data.tables.table import Table
from agejax.errors import UserError
from agejax.labels import GENDER_NAMES
from agejax.utils.notes import note

_COLUMNS = ("path", "task", "label", "p_wrong")
_Row = tuple[tuple[int, int], float]  # the first and last class of a label, and its p_wrong


def weighed(faces: Faces, file: Path, above: float | None = None, missing: float = 0.0) -> Faces:
    """Training faces whose labels weigh 1 - p_wrong, scaled to a mean of 1 for each task.

    Args:
      faces: of training; labels of tasks that are not audited weigh 1.
      file: a table with the columns `path`, `task`, `label` and `p_wrong`.
      above: labels with a larger `p_wrong` become unknown, and all others weigh 1.
      missing: the share of a task's labels that may have no row, as those of images that cannot be
        decoded; these weigh 1.

    Raises:
      UserError: there is no such table, a row of it is not valid or occurs twice, it is of other
        faces or labels, or it leaves no label of a task.
    """
    audited = _read(file)
    known, weights = dict(faces.known), {}
    for task in sorted(task for task in audited if faces.known.get(task, np.zeros(1)).any()):
        p = _p_wrong(faces, task, audited[task], file, missing)
        if above is not None:
            known[task] = known[task] & (p <= above)
            n = int(faces.known[task].sum() - known[task].sum())
            note(f"{file}: {n:,} labels of {task} left out")
        weight = np.where(known[task], 1 - p if above is None else 1.0, 0.0)
        if not (total := weight.sum()):
            raise UserError(f"{file}: it leaves no label of {task} to train on")
        if above is None:
            weights[task] = (weight * known[task].sum() / total).astype(np.float32)
    if weights:
        weights |= {
            task: np.ones(len(faces), np.float32) for task in faces.labels.keys() - weights.keys()
        }
    return dataclasses.replace(faces, known=known, label_weights=weights)


def _p_wrong(
    faces: Faces, task: str, rows: Mapping[str, _Row], file: Path, missing: float
) -> np.ndarray:
    """float [N]; 0 where a label has no row."""
    p, absent = np.zeros(len(faces)), []
    last = faces.upto.get(task, faces.labels[task])
    for i in np.flatnonzero(faces.known[task]):
        path, label = str(faces.path[i]), (int(faces.labels[task][i]), int(last[i]))
        if path not in rows:
            absent.append(path)
            continue
        was, p[i] = rows[path]
        if was != label:
            raise UserError(
                f"{file}: the {task} of {path} was {_text(task, was)} when it was audited, and is "
                f"{_text(task, label)}; audit the faces again"
            )
    if absent:
        n = int(faces.known[task].sum())
        said = f"{len(absent):,} of {n:,} training labels of {task}, such as that of {absent[0]}"
        if len(absent) > missing * n:
            raise UserError(f"{file}: no row for {said}; audit the faces that are trained on")
        note(f"{file}: no row for {said}; these weigh as much as a right one")
    return p


def _text(task: str, label: tuple[int, int]) -> str:
    first, last = label
    if task == "gender":
        return GENDER_NAMES[first]
    return str(first) if first == last else f"{first}-{last}"


def _read(file: Path) -> dict[str, dict[str, _Row]]:
    """{task: {path: its row}}."""
    table = Table(file, _COLUMNS)
    classes: Mapping[str, Callable[[str], tuple[int, int] | None]]
    classes = {"age": age_range, "gender": lambda cell: _twice(gender_code(cell))}
    found: dict[str, dict[str, _Row]] = {}
    for number, cells in table:
        where = f"{file}, row {number}"
        if isinstance(cells, BadRow):
            raise UserError(f"{where}: {cells}")
        task = cells["task"].strip()
        if task not in classes:
            raise UserError(f"{where}: the task is {task!r:.40}; it must be age or gender")
        try:
            path, label = image_path(cells["path"]), classes[task](cells["label"])
        except BadRow as bad:
            raise UserError(f"{where}: {bad}") from bad
        if label is None:
            raise UserError(f"{where}: it has no label")
        if path in (rows := found.setdefault(task, {})):
            raise UserError(f"{where}: the {task} of {path} is in a row above, too")
        rows[path] = label, _probability(cells["p_wrong"], where)
    if not found:
        raise UserError(f"{file}: there is no label in it")
    return found


def _twice(code: int | None) -> tuple[int, int] | None:
    return None if code is None else (code, code)


def _probability(cell: str, where: str) -> float:
    try:
        p = float(cell)
    except ValueError:
        p = float("nan")
    if not 0 <= p <= 1:
        raise UserError(f"{where}: p_wrong is {cell!r:.40}; it must be a number from 0 to 1")
    return p
