"""Faces whose records can no longer be read: reported, left out, and limited in number."""

import threading
from collections.abc import Callable

import numpy as np

from agejax.data.faces import Faces
from agejax.errors import UserError


class Quarantine:
    """The faces of a split that can no longer be read.

    Attributes:
      bad: bool [N], the faces found so far.
    """

    def __init__(
        self,
        faces: Faces,
        max_share: float = 0.0,
        report: Callable[[str, str], None] = lambda path, why: None,
    ):
        """Allows at most `max_share` of all faces; calls `report(path, why)` for each."""
        self.bad = np.zeros(len(faces), bool)
        self._faces, self._max, self._report = faces, max_share, report
        self._lock = threading.Lock()

    def add(self, row: int, why: Exception) -> None:
        """Adds a face.

        Raises:
          UserError: there are more than `max_share`.
        """
        with self._lock:
            if self.bad[row]:
                return
            self.bad[row] = True
            count, path = int(self.bad.sum()), str(self._faces.path[row])
            self._report(path, str(why))
        if count > self._max * len(self.bad):
            raise UserError(
                f"{count:,} of {len(self.bad):,} faces cannot be read any more, such as {path} "
                f"({why}); build the data again, or raise config.data.max_unreadable, "
                f"{self._max:g}"
            )
