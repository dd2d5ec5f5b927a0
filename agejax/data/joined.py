"""Joins parts of a data set, or whole data sets."""

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np

from agejax.data.faces import UNKNOWN, Faces
from agejax.errors import NoSuchSplit
from tfds_imdb_wiki.rows import SPLITS


def all_splits(opened: Callable[[str], Faces]) -> Faces:
    """The faces of all splits of a source, those of one split after the other.

    Args:
      opened: opens a split, or raises `NoSuchSplit`; such splits are left out.

    Raises:
      NoSuchSplit: there is none at all.
    """
    parts, missing = [], []
    for split in SPLITS:
        try:
            parts.append(opened(split))
        except NoSuchSplit as error:
            missing.append(error)
    if not parts:
        raise missing[0]
    people = [part.person for part in parts if part.person is not None]
    person = np.concatenate(people) if len(people) == len(parts) else None
    faces = joined(parts, np.concatenate([part.path for part in parts]), person)
    return dataclasses.replace(faces, about=parts[0].about)


def joined(parts: Sequence[Faces], path: np.ndarray, person: np.ndarray | None) -> Faces:
    """The faces of all parts, one part after the other; unsorted if their paths are.

    A label or attribute that a part lacks is unknown there.

    Args:
      parts: one or more.
      path: str [N], of all faces; unique.
      person: str [N], the person in each; None if that is not known.
    """
    starts = np.cumsum([0, *map(len, parts)])

    def read(rows: np.ndarray) -> list[bytes]:
        which = np.searchsorted(starts, rows, "right") - 1
        images: list[bytes] = [b""] * len(rows)
        for i in np.unique(which):
            here = np.flatnonzero(which == i)
            of_part = parts[i].rows[rows[here] - starts[i]]
            for place, image in zip(here, parts[i].read(of_part), strict=True):
                images[place] = image
        return images

    def columns(kind: str, nothing: Callable[[Faces, str], np.ndarray]) -> dict[str, np.ndarray]:
        names = sorted({name for part in parts for name in getattr(part, kind)})
        column = lambda part, name: getattr(part, kind).get(name)
        pick = lambda part, name: (
            nothing(part, name) if column(part, name) is None else column(part, name)
        )
        return {name: np.concatenate([pick(part, name) for part in parts]) for name in names}

    zeros = lambda part, _: np.zeros(len(part), np.int32)
    return Faces(
        path=path,
        labels=columns("labels", zeros),
        known=columns("known", lambda part, _: np.zeros(len(part), bool)),
        sha256=np.concatenate([part.sha256 for part in parts]),
        read=read,
        rows=np.arange(starts[-1]),
        person=person,
        upto=columns("upto", lambda part, name: part.labels.get(name, zeros(part, name))),
        label_weights=columns("label_weights", lambda part, _: np.ones(len(part), np.float32)),
        attributes=columns("attributes", lambda part, _: np.full(len(part), UNKNOWN)),
    )
