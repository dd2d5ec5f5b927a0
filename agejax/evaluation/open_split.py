"""The faces of a split, as a config names them."""

import contextlib
import functools
from pathlib import Path

from ml_collections import ConfigDict

from agejax.config import FOLDS, source_args, source_of, tasks
from agejax.data.audited import weighed
from agejax.data.faces import Faces
from agejax.data.folds import folded
from agejax.data.mixture import mixture
from agejax.data.subset import of_some_persons
from agejax.data.unlabelled import unlabelled, with_unlabelled
from agejax.errors import NoSuchSplit, UserError
from agejax.evaluation.task_labels import labelled
from agejax.utils.plain_names import check_split


def open_split(config: ConfigDict, split: str) -> Faces:
    """The faces of a split, with labels for the config's tasks.

    To those of "train" the faces of `config.distil.unlabelled` are added.

    Raises:
      UserError: there is no such split, a task has no known label, or the audit is of other faces.
    """
    faces = _labelled_split(config, split)
    if split != "train" or config.distil.unlabelled is None:
        return faces
    apart = []
    for other in ("validation", "test"):
        with contextlib.suppress(NoSuchSplit):
            apart.append(_labelled_split(config, other))
    more = unlabelled(config.distil.unlabelled, (faces, *apart))
    return with_unlabelled(faces, more, config.distil.unlabelled_weight)


def _labelled_split(config: ConfigDict, split: str) -> Faces:
    check_split(split)
    opened = functools.partial(source_of(config), **source_args(config))
    if source_of(config) is mixture:
        _check_one_set(config)
    if config.data.folds:
        faces = folded(split, opened, **{key: config.data[key] for key in FOLDS})
    else:
        faces = opened(split)
    if split == "train" and config.data.train_faces:
        faces = of_some_persons(faces, config.data.train_faces, config.seed)
    faces = labelled(faces, tasks.read(config.tasks))
    if split == "train" and config.data.audit is not None:
        data = config.data
        faces = weighed(faces, Path(data.audit), data.audit_above, data.max_unreadable)
    return faces


def _check_one_set(config: ConfigDict) -> None:
    if config.data.folds:
        raise UserError("config.data.folds is for one set; each set of a mixture keeps its splits")
    if config.data.train_faces:
        raise UserError("config.data.train_faces is for one set; weights choose among several")
