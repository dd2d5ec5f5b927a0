"""Folds of a whole data set, in place of its splits: for cross-validation.

Faces of one person, and byte-identical images, are in one fold.
"""

import hashlib
from collections.abc import Callable, Collection, Sequence

import numpy as np

from agejax.data.faces import UNKNOWN, Faces
from agejax.data.joined import all_splits
from agejax.data.tables.splits import together
from agejax.errors import NoSuchSplit, UserError
from agejax.utils.notes import warn
from tfds_imdb_wiki.rows import SPLITS

COLUMN = "fold"  # of a table, which then says who is in which


def folded(
    split: str,
    opened: Callable[[str], Faces],
    *,
    folds: int,
    test_folds: Sequence[int | str],
    validation_folds: Sequence[int | str],
) -> Faces:
    """The faces of a split that consists of folds.

    Args:
      split: "test" or "validation", of the folds named below; "train", of the others; or "all".
      opened: the source's own splits, which are joined; those that do not exist are left out.
      folds: the number of folds. If the faces have an attribute `fold`, its values are the folds,
        and this is their number; else the folds are 0, 1, ..., by a hash that depends on neither
        machine, order nor other faces.
      test_folds: names of folds.
      validation_folds: other names.

    Raises:
      NoSuchSplit: there is no such split.
      UserError: the column has another number of folds, or a fold does not exist or has no face.
    """
    if split not in (*SPLITS, "all"):
        raise NoSuchSplit(f"there is no split {split!r} of folds; there are {', '.join(SPLITS)}")
    faces = all_splits(opened)
    faces = faces.where(np.argsort(faces.path, kind="stable"))
    fold = _column(faces, folds) if COLUMN in faces.attributes else _by_hash(faces, folds)
    names = set(np.unique(fold).tolist())
    tested, validated = ({*map(str, of)} for of in (test_folds, validation_folds))
    if missing := sorted((tested | validated) - names):
        raise UserError(f"there is no face in a fold {missing[0]!r}; {_listed(names)}")
    trained = names - tested - validated
    if not trained:
        raise UserError(f"no fold is left to train on; {_listed(names)}")
    if split == "train":
        _warn_of_leaks(faces, fold)
    chosen = {"train": trained, "validation": validated, "test": tested, "all": names}[split]
    return faces.where(np.isin(fold, sorted(chosen)))


def _column(faces: Faces, folds: int) -> np.ndarray:
    fold = faces.attributes[COLUMN]
    if (unknown := fold == UNKNOWN).any():
        raise UserError(
            f"{unknown.sum():,} faces have no fold in the column {COLUMN!r}, such as "
            f"{faces.path[unknown.argmax()]}"
        )
    if len(there := set(fold.tolist())) != folds:
        raise UserError(
            f"config.data.folds is {folds}, but the column {COLUMN!r} has {len(there)}: "
            f"{_listed(there)}"
        )
    return fold


def _by_hash(faces: Faces, folds: int) -> np.ndarray:
    person = np.full(len(faces), "") if faces.person is None else faces.person
    groups, keys = together(person.astype(str), faces.sha256)
    digests = (hashlib.sha256(f"fold of {key}".encode()).hexdigest() for key in keys)
    return np.array([str(int(digest[:16], 16) % folds) for digest in digests])[groups]


def _warn_of_leaks(faces: Faces, fold: np.ndarray) -> None:
    """Says how many persons a column of folds has in more than one."""
    if faces.person is None or COLUMN not in faces.attributes:
        return
    pairs = np.unique(np.stack([faces.person.astype(str), fold]), axis=1)
    _, counts = np.unique(pairs[0], return_counts=True)
    if n := int((counts > 1).sum()):
        warn(f"{n:,} persons are in more than one fold: figures of unknown persons will be worse")


def _listed(names: Collection[str]) -> str:
    some = sorted(names, key=lambda name: (len(name), name))
    return f"there are {', '.join(some[:10])}{' and so on' if len(some) > 10 else ''}"
