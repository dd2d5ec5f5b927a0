"""Face crops as a model was trained on, cut from photos."""

import numpy as np

from agejax.data.face_detection import Box


def crop(pixels: np.ndarray, box: Box, margin: float) -> np.ndarray:
    """The square around a face, as IMDB-WIKI's crops are cut: uint8 [side, side, 3].

    Its side is that of the face, the longer one, and `margin` of it on each of two sides (0.4 in
    IMDB-WIKI); past the photo's edge its last pixels are repeated (Rothe et al., DEX, ICCVW 2015).
    """
    side = max(1, round(max(box.width, box.height) * (1 + 2 * margin)))
    left = round(box.x + box.width / 2 - side / 2)
    top = round(box.y + box.height / 2 - side / 2)
    rows = np.clip(np.arange(top, top + side), 0, pixels.shape[0] - 1)
    columns = np.clip(np.arange(left, left + side), 0, pixels.shape[1] - 1)
    return pixels[rows[:, None], columns]
