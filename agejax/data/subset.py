"""A part of the training faces, for learning curves: error by number of faces."""

import hashlib

import numpy as np

from agejax.data.faces import Faces
from agejax.errors import UserError


def of_some_persons(faces: Faces, n: int, seed: int) -> Faces:
    """`n` of the faces, person by person in an order that depends on the seed and names alone.

    All faces of a person are taken before those of the next one, so that a part has the share of
    faces per person that the whole has; of the last person only as many as are missing. A smaller
    part is contained in every larger one of the same seed.

    Args:
      faces: of a split; if their persons are not known, each is its own.
      n: from 1 on.
      seed: of the order of persons.

    Returns:
      The faces, in their own order.

    Raises:
      UserError: there are fewer than `n`.
    """
    if n > len(faces):
        raise UserError(
            f"config.data.train_faces is {n:,}, but there are {len(faces):,} training faces"
        )
    person = faces.path if faces.person is None else faces.person
    names, of = np.unique(person.astype(str), return_inverse=True)
    keys = [hashlib.sha256(f"{seed} {name}".encode()).hexdigest() for name in names.tolist()]
    rank = np.argsort(np.argsort(keys))
    keep = np.zeros(len(faces), bool)
    keep[np.argsort(rank[of], kind="stable")[:n]] = True
    return faces.where(keep)
