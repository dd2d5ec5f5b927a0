"""The labels of a config's tasks, from the data set or from an attribute column."""

import dataclasses
from collections.abc import Collection, Mapping

import numpy as np

from agejax.config.tasks import Task, class_names
from agejax.data.faces import UNKNOWN, Faces
from agejax.errors import UserError
from agejax.evaluation.summary import GROUPS
from agejax.utils.notes import note
from agejax.utils.printable import printable

_MOST_GROUPS = 30  # in an attribute column; columns with more are ids, dates or numbers


def labelled(faces: Faces, tasks: Mapping[str, Task]) -> Faces:
    """Faces with the labels of exactly these tasks.

    A task without labels in the data set takes them from the attribute of its name, whose values
    are the names of its classes.

    Raises:
      UserError: there is neither, or the attribute has values that are not the task's names.
    """
    labels, known = dict(faces.labels), dict(faces.known)
    for name, task in tasks.items():
        if name in labels:
            continue
        if name not in faces.attributes:
            there = ", ".join(sorted({*faces.labels, *faces.attributes}))
            raise UserError(
                f"config.tasks are {', '.join(sorted(tasks))}, but the faces have no {name}; "
                f"they have {there}"
            )
        labels[name], known[name] = _classes(name, task, faces.attributes[name])
    return dataclasses.replace(
        faces,
        labels={name: labels[name] for name in tasks},
        known={name: known[name] for name in tasks},
        upto={name: last for name, last in faces.upto.items() if name in tasks},
    )


def groups_of(faces: Faces, more: Mapping[str, np.ndarray] | None = None) -> dict[str, np.ndarray]:
    """The attributes that form groups: those with 2 to 30 values.

    Args:
      faces: the faces with their own attributes.
      more: {name: str [N]} from a table of attributes; one with more than 30 values is left out
        with a message.

    Returns:
      {name: str [N]}; a duplicate name is made unique.
    """
    found: dict[str, np.ndarray] = {}
    for name, values in faces.attributes.items():
        if 1 < len(np.unique(values)) <= _MOST_GROUPS:
            found[f"{name} (column)" if name in GROUPS else name] = values
    return found | few_valued(more or {}, found)


def few_valued(columns: Mapping[str, np.ndarray], taken: Collection[str]) -> dict[str, np.ndarray]:
    """The columns of a table of attributes, {name: str [N]}, that form groups; see `groups_of`."""
    found: dict[str, np.ndarray] = {}
    for name, values in columns.items():
        if (n := len(np.unique(values))) > _MOST_GROUPS:
            note(printable(f"no metrics by {name}: {n:,} values are more than {_MOST_GROUPS}"))
            continue
        found[f"{name} (attributes)" if name in taken or name in GROUPS else name] = values
    return found


def _classes(name: str, task: Task, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    names = class_names(name, task)
    found, where = np.unique(values, return_inverse=True)
    number = {value: i for i, value in enumerate(names)}
    if strange := [str(value) for value in found if value not in number and value != UNKNOWN]:
        raise UserError(
            f"the faces' {name} is {', '.join(strange[:5])}{' ...' if len(strange) > 5 else ''}, "
            f"but the classes of config.tasks.{name} are {', '.join(names)}; its names must be "
            f"those of the column"
        )
    classes = np.array([number.get(value, -1) for value in found], np.int32)[where]
    return np.maximum(classes, 0), classes >= 0
