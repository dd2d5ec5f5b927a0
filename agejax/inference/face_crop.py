"""Cuts face crops from photos with the margin of the training data."""

import numpy as np

from agejax.data.decode import squeezed
from agejax.data.face_alignment import turned, with_edges
from agejax.data.face_detection import Box

LEVEL = 10.0  # degrees; faces of less roll are cut as they are: level training faces vary as much


def crop(pixels: np.ndarray, box: Box, margin: float, size: int) -> np.ndarray:
    """Cuts the square around a face as in the training data: uint8 [size, size, 3].

    The square is the face's (`Box.square`), extended by `margin` of its side at each end. Beyond
    the photo's edge the last pixels are repeated (Rothe et al., DEX, ICCVW 2015). A face whose roll
    is 10 degrees or more is turned upright about its centre, in the interpolation that resizes it.

    Args:
      pixels: uint8 [h, w, 3].
      box: the face.
      margin: a fraction of the face's side, 0.4 in IMDB-WIKI.
      size: side of the result in pixels.
    """
    (x, y), face, roll = box.square
    side = max(1, round(face * (1 + 2 * margin)))
    if abs(roll) >= LEVEL:
        return turned(pixels, (x, y), side, roll, size, with_edges)
    left, top = round(x - side / 2), round(y - side / 2)
    return squeezed(with_edges(pixels, left, top, side), size)
