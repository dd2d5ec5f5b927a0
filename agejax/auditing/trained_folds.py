"""Out-of-fold predictions of whole networks: of the folds that `agejax train --folds` trained."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from ml_collections import ConfigDict

from agejax import config as configs
from agejax.auditing.labels import TASKS
from agejax.checkpoints.run_dir import of_the_run
from agejax.config import tasks
from agejax.data.faces import Faces
from agejax.errors import UserError
from agejax.evaluation.open_split import open_split
from agejax.evaluation.predictions import predictions_file
from agejax.experiments.compared_files import Arrays, read_evaluation
from agejax.experiments.folds import folds_in
from agejax.utils.notes import note
from agejax.utils.system_files import entries

_OF_FOLDS = ("data.test_folds", "data.validation_folds")
_SPLIT = "test"


class Predicted(NamedTuple):
    """What the folds predict for N faces, each by a network that was not trained on its person.

    Attributes:
      read: {task: float32 [N, classes]}; a face that is not there has the same for all classes.
      there: bool [N], whether a face could be read when its fold was tested.
    """

    read: Mapping[str, np.ndarray]
    there: np.ndarray


def is_folder_of_folds(source: Path) -> bool:
    """Whether a folder holds runs, as `agejax train --folds` leaves them."""
    return source.is_dir() and any((run / "config.json").is_file() for run in entries(source))


def of_folds(folder: Path, trust: Collection[str] = ()) -> tuple[Faces, Predicted]:
    """All faces of a cross-validation, and what its folds predict for them when they are tested.

    Args:
      folder: of the folds.
      trust: modules whose code their configs may name; see `agejax.utils.import_by_name.trusted`.

    Raises:
      UserError: a fold is missing or not finished, they are of different trainings, or the data is
        not what they were trained on.
    """
    runs = folds_in(folder)
    read_configs = {name: of_the_run(path, {}, trust) for name, path in runs.items()}
    config = _one_training(folder, read_configs)
    parts = [_evaluation(path) for path in runs.values()]
    faces = open_split(config, "all")
    learned = tasks.read(config.tasks)
    return faces, _joined(
        folder,
        faces,
        parts,
        [task for task in TASKS if learned[task].weight and faces.known[task].any()],
        config.data.max_unreadable,
    )


def _one_training(folder: Path, runs: Mapping[str, ConfigDict]) -> ConfigDict:
    """The config of the first fold.

    Raises:
      UserError: others differ in more than the fold, or not each fold is tested once.
    """
    first, config = next(iter(runs.items()))
    for name, other in runs.items():
        keys = [key for key, *_ in configs.changes(other, config) if key not in _OF_FOLDS]
        if keys:
            raise UserError(
                f"{folder}: {first} and {name} differ in config.{keys[0]}; an audit is of the "
                f"folds of one training: name their folder"
            )
    tested = [str(fold) for of in runs.values() for fold in of.data.test_folds]
    if len(set(tested)) < len(tested):
        raise UserError(f"{folder}: the fold {max(tested, key=tested.count)} is tested twice")
    if len(tested) < config.data.folds:
        raise UserError(
            f"{folder}: {len(tested)} of {config.data.folds} folds are there; the command that "
            f"trains them goes on where it was stopped"
        )
    return config


def _evaluation(run: Path) -> Arrays:
    try:
        return read_evaluation(predictions_file(run, _SPLIT), _SPLIT)
    except UserError as error:
        raise UserError(f"{error}; or go on with the training of the folds") from error


def _joined(
    folder: Path, faces: Faces, parts: list[Arrays], of_tasks: list[str], missing: float
) -> Predicted:
    place = {path: i for i, path in enumerate(faces.path.tolist())}
    there = np.zeros(len(faces), bool)
    read = {}
    for task in of_tasks:
        p = np.full((len(faces), TASKS[task]), 1 / TASKS[task], np.float32)
        for one in parts:
            rows = np.array([place.get(path, -1) for path in one["path"].tolist()])
            found = one.get(f"{task}_probabilities")
            if found is None or found.shape[1] != TASKS[task]:
                raise UserError(f"{folder}: it has no {task} of {TASKS[task]} classes to audit")
            if (rows < 0).any():
                raise UserError(
                    f"{folder}: it was trained on other faces, such as "
                    f"{one['path'][(rows < 0).argmax()]}"
                )
            _check_labels(folder, faces, task, one, rows)
            p[rows], there[rows] = found, True
        read[task] = p
    if n := int((~there).sum()):
        said = f"{folder}: {n:,} of {len(faces):,} faces are in no test fold, such as "
        said += str(faces.path[~there][0])
        if n > missing * len(faces):
            raise UserError(f"{said}; train the folds on the data as it is now")
        note(f"{said}; their labels are not audited")
    return Predicted(read, there)


def _check_labels(folder: Path, faces: Faces, task: str, one: Arrays, rows: np.ndarray) -> None:
    last = faces.upto.get(task, faces.labels[task])
    now = {"known": faces.known[task], "label": faces.labels[task], "upto": last}
    other = np.zeros(len(rows), bool)
    for name, of in now.items():
        other |= one[f"{task}_{name}"] != of[rows]
    if n := int(other.sum()):
        raise UserError(
            f"{folder}: {n:,} labels of {task} are not those that it was trained on, such as that "
            f"of {one['path'][other.argmax()]}; train the folds again"
        )
