"""Labelled faces: labels in memory, images read on demand."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

UNKNOWN = "unknown"  # value of an attribute that is not known


@dataclasses.dataclass(frozen=True)
class Faces:
    """N faces, sorted by `path`.

    Attributes:
      path: str [N], unique names.
      labels: {task: int32 [N]}; 0 where unknown.
      known: {task: bool [N]}.
      sha256: str [N], of each image's bytes.
      read: indices into all opened faces, int [n] -> the JPEG bytes of each. Safe to call from
        threads.
      rows: int [N], each face's index for `read`.
      person: str [N], the person in each; None if that is not known.
      about: JSON-ready facts about the whole data set, for people: any of "title", "licence",
        "citation", "homepage", "rows" (before any was dropped), "dropped" ({reason: rows}) and
        "reasons" ({reason: what it means}).
      upto: {task: int32 [N]}, for tasks with labels that are ranges, such as an age of 20-29: the
        last class of the range; `labels` has the first. For an exact label both are the same.
      attributes: {name: str [N]}, further attributes of each; "unknown" where not known.
      weights: {set: weight} of the sets named in `attributes["set"]`: training batches contain
        faces of each set in this proportion. None: all faces are drawn equally often.
      label_weights: {task: float32 [N]}, the weight of each label in the training loss; {} for 1.
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
    label_weights: Mapping[str, np.ndarray] = dataclasses.field(default_factory=dict)

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
            label_weights=kept(self.label_weights),
        )

    def without(self, others: "Faces") -> "Faces":
        """The faces whose image is not, byte for byte, among `others` too."""
        return self.where(~np.isin(self.sha256, others.sha256))
