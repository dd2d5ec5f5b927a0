"""Several sets of faces as one."""

from collections.abc import Callable, Sequence

import numpy as np

from agejax.data.faces import UNKNOWN, Faces


def joined(parts: Sequence[Faces], person: Sequence[np.ndarray] | None = None) -> Faces:
    """The faces of all parts, one part after the other; paths stay as they are.

    Args:
      parts: sets of faces, each with its own `read`.
      person: str [N] of each part, in place of its own; by default None if a part has none.

    Returns:
      The faces, without `about` and `weights`. A label or an attribute that a part lacks is unknown
      there.
    """
    starts = np.cumsum([0, *(len(part) for part in parts)])

    def read(rows: np.ndarray) -> list[bytes]:
        which = np.searchsorted(starts, rows, "right") - 1
        images: list[bytes] = [b""] * len(rows)
        for i in np.unique(which):
            here = np.flatnonzero(which == i)
            of_part = parts[i].rows[rows[here] - starts[i]]
            for place, image in zip(here, parts[i].read(of_part), strict=True):
                images[place] = image
        return images

    def column(kind: str, nothing: Callable[[Faces, str], np.ndarray]) -> dict[str, np.ndarray]:
        names = sorted({name for part in parts for name in getattr(part, kind)})
        own = lambda part, name: getattr(part, kind).get(name)
        pick = lambda part, name: (
            nothing(part, name) if own(part, name) is None else own(part, name)
        )
        return {name: np.concatenate([pick(part, name) for part in parts]) for name in names}

    people = person or [part.person for part in parts if part.person is not None]
    zeros = lambda part, _: np.zeros(len(part), np.int32)
    return Faces(
        path=np.concatenate([part.path for part in parts]),
        labels=column("labels", zeros),
        known=column("known", lambda part, _: np.zeros(len(part), bool)),
        sha256=np.concatenate([part.sha256 for part in parts]),
        read=read,
        rows=np.arange(starts[-1]),
        person=np.concatenate(people) if len(people) == len(parts) else None,
        upto=column("upto", lambda part, name: part.labels.get(name, zeros(part, name))),
        attributes=column("attributes", lambda part, _: np.full(len(part), UNKNOWN)),
    )
