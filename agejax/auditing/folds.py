"""Folds that no person and no image crosses."""

import hashlib

import numpy as np

from agejax.data.tables.splits import together

FOLDS = 5


def assign_folds(person: np.ndarray | None, image: np.ndarray, folds: int = FOLDS) -> np.ndarray:
    """int [N], the fold of each face; at most `folds` of about the same number of faces.

    Faces of one person, and those of one image, are in the same fold, and so are all that are
    connected in this way. The result does not depend on the order of the faces.

    Args:
      person: str [N], "" where not known; None if no person is known.
      image: str [N], equal for images that are the same.
      folds: how many; fewer come out if there are fewer groups.
    """
    nobody = np.full(len(image), "")
    group, keys = together(nobody if person is None else person, image)
    sizes = np.bincount(group, minlength=len(keys))
    draw = [hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest() for key in keys]
    # The largest groups first, each to the fold that is smallest by then.
    order = sorted(range(len(keys)), key=lambda i: (-sizes[i], draw[i]))
    of_group, filled = np.zeros(len(keys), np.int64), np.zeros(folds, np.int64)
    for i in order:
        of_group[i] = filled.argmin()
        filled[of_group[i]] += sizes[i]
    return of_group[group]
