"""Cuts face crops from photos with the margin of the training data."""

import numpy as np

from agejax.data.decode import squeezed
from agejax.data.face_detection import Box
from agejax.data.face_roll import turned, with_edges

LEVEL = 10.0  # degrees; faces of less roll are cut as they are: level training faces vary as much


def crop(pixels: np.ndarray, box: Box, margin: float) -> np.ndarray:
    """Cuts the square around a face as IMDB-WIKI does: uint8 [side, side, 3].

    The side is the longer side of the box, extended by `margin` of it at both ends (0.4 in
    IMDB-WIKI). Beyond the photo's edge the last pixels are repeated (Rothe et al., DEX, ICCVW
    2015).
    """
    side = _side(box, margin)
    left = round(box.x + box.width / 2 - side / 2)
    top = round(box.y + box.height / 2 - side / 2)
    return with_edges(pixels, left, top, side)


def levelled(pixels: np.ndarray, box: Box, margin: float, size: int) -> np.ndarray:
    """The square that `crop` cuts, resized, and turned if the face is not level.

    A face whose roll is 10 degrees or more is turned upright about its centre, in the same
    interpolation that resizes it.

    Args:
      pixels: uint8 [h, w, 3].
      box: the face.
      margin: see `crop`.
      size: side of the result in pixels.

    Returns:
      uint8 [size, size, 3].
    """
    if abs(box.roll) < LEVEL:
        return squeezed(crop(pixels, box, margin), size)
    middle = box.x + box.width / 2, box.y + box.height / 2
    return turned(pixels, middle, _side(box, margin), box.roll, size, with_edges)


def _side(box: Box, margin: float) -> int:
    return max(1, round(max(box.width, box.height) * (1 + 2 * margin)))
