"""Faces whose records have rotted since they were built: named, left out, and not too many."""

import threading
from collections.abc import Callable

import numpy as np

from agejax.data.faces import Faces
from agejax.errors import UserError


class Quarantine:
    """The faces of a split that cannot be read any more.

    Attributes:
      bad: bool [N], which they are so far.
    """

    def __init__(
        self,
        faces: Faces,
        max_share: float = 0.0,
        tell: Callable[[str, str], None] = lambda path, why: None,
    ):
        """No more than `max_share` of all faces may come in; `tell(path, why)` hears of each."""
        self.bad = np.zeros(len(faces), bool)
        self._faces, self._max, self._tell = faces, max_share, tell
        self._lock = threading.Lock()

    def add(self, row: int, why: Exception) -> None:
        """Takes a face in.

        Raises:
          UserError: they are too many for the data to be what it was.
        """
        with self._lock:
            if self.bad[row]:
                return
            self.bad[row] = True
            count, path = int(self.bad.sum()), str(self._faces.path[row])
            self._tell(path, str(why))
        if count > self._max * len(self.bad):
            raise UserError(
                f"{count:,} of {len(self.bad):,} faces cannot be read any more, {path} for one "
                f"({why}); build the data again, or raise config.data.max_unreadable, "
                f"{self._max:g}"
            )
