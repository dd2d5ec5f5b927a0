"""Labelled faces: their labels in memory, their images read when they are asked for."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

UNKNOWN = "unknown"  # an attribute that is not known


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
      upto: {task: int32 [N]}, of tasks some of whose labels are ranges, such as an age of 20-29:
        the last class that may be; `labels` has the first. An exact label is the same in both.
      attributes: {name: str [N]}, what else is known of each; "unknown" where it is not.
      weights: {set: weight} of the sets that `attributes["set"]` names: a training batch is made of
        faces of each in this proportion. None: every face comes as often as any other.
    """

    path: np.ndarray
    labels: dict[str, np.ndarray]
    known: dict[str, np.ndarray]
    sha256: np.ndarray
    read: Callable[[np.ndarray], list[bytes]]
    rows: np.ndarray
    person: np.ndarray | None = None
    about: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    upto: Mapping[str, np.ndarray] = dataclasses.field(default_factory=dict)
    attributes: Mapping[str, np.ndarray] = dataclasses.field(default_factory=dict)
    weights: Mapping[str, float] | None = None

    def __len__(self) -> int:
        return len(self.rows)

    def where(self, keep: np.ndarray) -> "Faces":
        """The faces for which `keep`, bool [N], holds."""
        kept = lambda columns: {name: column[keep] for name, column in columns.items()}
        return dataclasses.replace(
            self,
            path=self.path[keep],
            labels=kept(self.labels),
            known=kept(self.known),
            sha256=self.sha256[keep],
            rows=self.rows[keep],
            person=None if self.person is None else self.person[keep],
            upto=kept(self.upto),
            attributes=kept(self.attributes),
        )

    def without(self, others: "Faces") -> "Faces":
        """The faces whose image does not stand, byte for byte, among `others` too."""
        return self.where(~np.isin(self.sha256, others.sha256))
