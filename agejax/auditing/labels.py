"""The labels that are audited, with what a wrong one would probably be."""

import dataclasses

import numpy as np

from agejax.data.faces import Faces
from agejax.labels import AGES, GENDER_NAMES

TASKS = {"age": AGES, "gender": len(GENDER_NAMES)}  # classes of each
_SMOOTH = 3.0  # years
_UNSEEN = 0.5  # faces that each class counts as having beside those that it has


@dataclasses.dataclass(frozen=True)
class Labels:
    """Of one task and N faces.

    Attributes:
      first: int [N], the class, or the first of a range; 0 where unknown.
      last: int [N], the last class of a range.
      known: bool [N].
      common: float [classes], how common each class is among the labels; it sums to one.
      wrong: float [classes], how likely each class is as a wrong label: half the time that of some
        other face, and half the time any class at all. The first alone would take every old face
        for right, since few labels are old; the second alone, every one for wrong.
    """

    first: np.ndarray
    last: np.ndarray
    known: np.ndarray
    common: np.ndarray
    wrong: np.ndarray

    def text(self, i: int) -> str:
        """The label of a face, as a table has it."""
        if len(self.common) == len(GENDER_NAMES):
            return GENDER_NAMES[self.first[i]]
        first, last = int(self.first[i]), int(self.last[i])
        return str(first) if first == last else f"{first}-{last}"


def labels_of(faces: Faces, task: str, readable: np.ndarray) -> Labels:
    """The labels of a task; those of faces that are not `readable` count as unknown."""
    first = faces.labels[task].astype(np.int64)
    last = faces.upto.get(task, faces.labels[task]).astype(np.int64)
    known = np.asarray(faces.known[task], bool) & readable
    common = _common(first[known], last[known], TASKS[task])
    return Labels(first, last, known, common, (common + 1 / len(common)) / 2)


def mass(p: np.ndarray, first: np.ndarray, last: np.ndarray) -> np.ndarray:
    """float [N]: the probability of each label; of a range, that of all its classes.

    Args:
      p: [N, classes], or [classes] where it is the same for all.
      first: int [N].
      last: int [N].
    """
    upper = np.cumsum(np.broadcast_to(p, (len(first), p.shape[-1])), axis=1)
    own = np.take_along_axis(upper, last[:, None], 1)[:, 0]
    below = np.take_along_axis(upper, np.maximum(first - 1, 0)[:, None], 1)[:, 0]
    exact = np.broadcast_to(p, upper.shape)[np.arange(len(first)), first]
    return np.where(first == last, exact, own - np.where(first > 0, below, 0))


def _common(first: np.ndarray, last: np.ndarray, classes: int) -> np.ndarray:
    counts = np.full(classes + 1, 0.0)
    share = 1 / (last - first + 1)
    np.add.at(counts, first, share)
    np.add.at(counts, last + 1, -share)
    counts = np.maximum(np.cumsum(counts)[:classes], 0)
    if classes == AGES:
        apart = np.subtract.outer(np.arange(classes), np.arange(classes)) / _SMOOTH
        kernel = np.exp(-0.5 * apart**2)
        counts = (kernel / kernel.sum(0)) @ counts
    counts += _UNSEEN
    return counts / counts.sum()
