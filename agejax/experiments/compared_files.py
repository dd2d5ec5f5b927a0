"""Reads the predictions of the sides of a comparison, all of the same faces."""

import dataclasses
import itertools
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from agejax.checkpoints.run_dir import other_than_evaluated
from agejax.errors import UserError
from agejax.evaluation.predicted_tables import read_predicted
from agejax.evaluation.predictions import (
    TASKS,
    check_same_faces,
    evaluated_checkpoint,
    is_table,
    predictions_file,
    read_predictions,
    tasks_of,
)

Arrays = dict[str, np.ndarray]


@dataclasses.dataclass(frozen=True)
class Compared:
    """What the sides of a comparison predict.

    Attributes:
      files: {side: the file of each of its runs}.
      read: {side: the arrays of each}; see `agejax.evaluation.predictions`.
      truth: the arrays of the first evaluation, which has the labels.
      tasks: those that all files predict.
      person: [N], who is in each face; None if not known.
    """

    files: dict[str, list[Path]]
    read: dict[str, list[Arrays]]
    truth: Arrays
    tasks: list[str]
    person: np.ndarray | None

    @property
    def people(self) -> np.ndarray:
        """[N], the faces that are resampled together: those of a person, or each face alone."""
        return np.arange(len(self.truth["path"])) if self.person is None else self.person

    def every_file(self) -> Iterator[Path]:
        """The files of all sides."""
        return itertools.chain(*self.files.values())

    def ignored(self, side: str) -> int:
        """How many rows of a side's tables are not of the evaluated faces."""
        return sum(int(one.get("ignored", 0)) for one in self.read[side])


def read_sides(sides: Mapping[str, Sequence[Path]], split: str) -> Compared:
    """Reads runs, `.npz` files and tables of predictions; the folds of a side are one run.

    Raises:
      UserError: a file is missing or has another format, the faces differ, no task is common to all
        files, or there is no evaluation with true ages among them.
    """
    files = {name: [predictions_file(path, split) for path in runs] for name, runs in sides.items()}
    every = list(itertools.chain(*files.values()))
    first_file = next((file for file in every if not is_table(file)), None)
    if first_file is None:
        raise UserError(
            f"{every[0]} has no true ages: name a run, or a .npz file, of the same faces as well"
        )
    read = {
        name: _folds_joined([read_evaluation(file, split) for file in of if not is_table(file)])
        for name, of in files.items()
    }
    truth = next(runs[0] for runs in read.values() if runs)
    for name, of in files.items():
        for file, one in zip(of, read[name], strict=False):  # of folds, the first file
            check_same_faces(first_file, truth, file, one)
        read[name] += [read_predicted(file, truth) for file in of if is_table(file)]
    everyone = list(itertools.chain(*read.values()))
    tasks = [task for task in TASKS if all(task in tasks_of(one) for one in everyone)]
    if not tasks:
        raise UserError(f"{every[0]} and {every[-1]} have no task in common")
    person = next((one["person"] for one in everyone if "person" in one), None)
    return Compared(files, read, truth, tasks, person)


def _folds_joined(runs: list[Arrays]) -> list[Arrays]:
    """The runs of a side, or, where these are folds, one run of all their faces."""
    every = list(itertools.chain(*(one["path"].tolist() for one in runs)))
    if len(runs) < 2 or len(set(every)) < len(every):
        return runs
    shared = set.intersection(*map(set, runs)) - {"checkpoint"}
    if any(len({one[name].shape[1:] for one in runs}) > 1 for name in shared):
        return runs  # tasks of other classes: their faces differ
    order = np.argsort(np.array(every))
    return [{name: np.concatenate([one[name] for one in runs])[order] for name in shared}]


def read_evaluation(file: Path, split: str) -> Arrays:
    """The arrays of an evaluation's `.npz` file; see `agejax.evaluation.predictions`.

    Raises:
      UserError: it has another format, or is of weights that the run no longer has.
    """
    arrays = read_predictions(file)
    _check_current(file, arrays, split)
    return arrays


def _check_current(file: Path, arrays: Arrays, split: str) -> None:
    """Raises a `UserError` if a run's predictions are not from its current weights."""
    run = file.parent.parent
    evaluated = evaluated_checkpoint(arrays)
    if file.parent.name == "eval" and evaluated is not None:
        step, identity = evaluated
        if differs := other_than_evaluated(run, step, identity):
            raise UserError(
                f"{file} is of {differs}; evaluate again (agejax evaluate {run} --split {split})"
            )
