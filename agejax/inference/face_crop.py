"""Cuts face crops from photos with the margin of the training data."""

import numpy as np

from agejax.data.face_detection import Box


def crop(pixels: np.ndarray, box: Box, margin: float) -> np.ndarray:
    """Cuts the square around a face as IMDB-WIKI does: uint8 [side, side, 3].

    The side is the longer side of the box, extended by `margin` of it at both ends (0.4 in
    IMDB-WIKI). Beyond the photo's edge the last pixels are repeated (Rothe et al., DEX, ICCVW
    2015).
    """
    side = max(1, round(max(box.width, box.height) * (1 + 2 * margin)))
    left = round(box.x + box.width / 2 - side / 2)
    top = round(box.y + box.height / 2 - side / 2)
    rows = np.clip(np.arange(top, top + side), 0, pixels.shape[0] - 1)
    columns = np.clip(np.arange(left, left + side), 0, pixels.shape[1] - 1)
    return pixels[rows[:, None], columns]
