"""Labelled faces: their labels in memory, their images read when they are asked for."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np


@dataclasses.dataclass(frozen=True)
class Faces:
    """N faces, sorted by `path`.

    Attributes:
      path: str [N], the name of each.
      labels: {task: int32 [N]}; 0 where unknown.
      known: {task: bool [N]}.
      sha256: str [N], of each image's bytes.
      read: indices into all that was opened, int [n] -> the JPEG bytes of each. Safe to call from
        threads.
      rows: int [N], each face's index for `read`.
      person: str [N], whose face each is; None where that is not known.
      about: what is known of the whole data set, as JSON has it, for people: any of "title",
        "licence", "citation", "homepage", "rows" (before any was dropped), "dropped" ({reason:
        rows}) and "reasons" ({reason: what it means}).
    """

    path: np.ndarray
    labels: dict[str, np.ndarray]
    known: dict[str, np.ndarray]
    sha256: np.ndarray
    read: Callable[[np.ndarray], list[bytes]]
    rows: np.ndarray
    person: np.ndarray | None = None
    about: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.rows)

    def where(self, keep: np.ndarray) -> "Faces":
        """The faces for which `keep`, bool [N], holds."""
        return dataclasses.replace(
            self,
            path=self.path[keep],
            labels={task: labels[keep] for task, labels in self.labels.items()},
            known={task: known[keep] for task, known in self.known.items()},
            sha256=self.sha256[keep],
            rows=self.rows[keep],
            person=None if self.person is None else self.person[keep],
        )

    def without(self, others: "Faces") -> "Faces":
        """The faces whose image does not stand, byte for byte, among `others` too."""
        return self.where(~np.isin(self.sha256, others.sha256))
