"""Faces of which only the images are used, to be learned from a teacher."""

import dataclasses
import functools
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from agejax.data.faces import Faces
from agejax.data.mixture import joined_sets
from agejax.data.own_faces import faces_of_files, own_faces
from agejax.data.tables.importers import image_files
from agejax.data.tables.packed import is_packed
from agejax.errors import UserError
from agejax.utils.notes import note

_LABELLED, _UNLABELLED = "labelled", "unlabelled"


def unlabelled(path: str, others: Sequence[Faces] = ()) -> Faces:
    """The faces of a folder of images, or of all splits of a table, without any label.

    Args:
      path: a folder of face crops, searched with its subfolders; or a table or packed folder, as
        `own_faces` takes them.
      others: faces to train or evaluate on with their labels; images that are also, byte for byte,
        among these are left out.

    Raises:
      UserError: there is no image, or none but those of `others`.
    """
    place = Path(path)
    if place.is_dir() and not is_packed(place):
        faces = _of_folder(str(place), os.getcwd())
    else:
        faces = own_faces("all", path=path)
    faces = dataclasses.replace(faces, labels={}, known={}, upto={}, attributes={})
    for other in others:
        faces = faces.without(other)
    if not len(faces):
        raise UserError(
            f"config.distil.unlabelled is {path}: all its images are among those that are trained "
            f"or evaluated on with their labels"
        )
    return faces


def with_unlabelled(faces: Faces, more: Faces, weight: float) -> Faces:
    """Training faces, and further ones without labels, each part drawn by its weight.

    Args:
      faces: with labels. If they are a mixture, its sets keep their proportions.
      more: without.
      weight: how often faces of `more` are drawn, relative to `faces`.

    Returns:
      Faces with paths "labelled/PATH" and "unlabelled/PATH", and an attribute "set".
    """
    both = joined_sets({_LABELLED: faces, _UNLABELLED: more})
    sets, weights = both.attributes["set"], {_LABELLED: 1.0}
    if faces.weights is not None:
        total = sum(faces.weights.values())
        weights = {f"{_LABELLED}/{name}": of / total for name, of in faces.weights.items()}
        inner = np.char.add(f"{_LABELLED}/", both.attributes["set (column)"].astype(str))
        sets = np.where(sets == _LABELLED, inner, sets)
    return dataclasses.replace(
        both,
        about=faces.about,
        attributes=dict(both.attributes) | {"set": sets},
        weights={**weights, _UNLABELLED: weight},
    )


@functools.lru_cache(maxsize=4)  # training opens its faces several times
def _of_folder(path: str, cwd: str) -> Faces:
    del cwd  # only a cache key
    folder = Path(path)
    found = image_files(folder)
    for error in found.errors:
        note(f"left out: {error}")
    paths = sorted(image.relative_to(folder).as_posix() for image in found.images)
    faces, bad = faces_of_files(folder, paths)
    for row in bad[:3]:
        note(f"left out of {folder}: {row}")
    if len(bad) > 3:
        note(f"left out of {folder}: {len(bad) - 3:,} more")
    return faces
