"""The roll of a face in its photo, from five landmarks, and squares of a photo that are turned."""

import math
from collections.abc import Callable

import cv2
import numpy as np

# Mean places of the eyes, the nose and the mouth's corners of level faces, each minus their mean,
# in units of the detector's box.
_LEVEL = np.array(
    [[-0.18, -0.2], [0.18, -0.2], [0.0, 0.015], [-0.157, 0.195], [0.157, 0.19]], np.float64
)


def roll_of(landmarks: np.ndarray) -> np.ndarray:
    """The angle of the similarity transform from a level face: float [n], degrees.

    All five landmarks count, since the eyes alone tell little in a profile.

    Args:
      landmarks: float [n, 5, 2], x and y of the left eye (in the photo), the right one, the nose,
        and the left and the right corner of the mouth, in pixels or another unit common to both.

    Returns:
      above 0 for a face turned clockwise: its right eye (in the photo) is lower than its left one.
    """
    x, y = np.moveaxis(landmarks - landmarks.mean(1, keepdims=True), 2, 0)
    across, down = _LEVEL.T
    return np.degrees(np.arctan2(y @ across - x @ down, x @ across + y @ down))


def turned(
    pixels: np.ndarray,
    middle: tuple[float, float],
    side: float,
    roll: float,
    size: int,
    cut: Callable[[np.ndarray, int, int, int], np.ndarray],
) -> np.ndarray:
    """A square of a photo that is turned by `roll`, resampled upright: uint8 [size, size, 3].

    Areas are averaged by a whole factor first, as when a crop is shrunk; then one bilinear
    interpolation turns and resizes.

    Args:
      pixels: uint8 [h, w, 3].
      middle: x and y of the square's centre, in pixels from the photo's corner.
      side: of the square, in pixels.
      roll: degrees; the square's upper edge points so many degrees down from the photo's x axis.
      size: side of the result in pixels.
      cut: (pixels, left, top, side) -> the pixels of a square, which may extend past the photo.
    """
    x, y = middle
    cos, sin = math.cos(math.radians(roll)), math.sin(math.radians(roll))
    shrink = max(1, math.floor(side / size))
    whole = shrink * math.ceil(side * (abs(cos) + abs(sin)) / shrink + 2)
    left, top = math.floor(x - whole / 2), math.floor(y - whole / 2)
    square = np.ascontiguousarray(cut(pixels, left, top, whole))
    if shrink > 1:
        sides = whole // shrink, whole // shrink
        square = cv2.resize(square, sides, interpolation=cv2.INTER_AREA)
    across = ((np.arange(size) + 0.5) / size - 0.5) * side
    down = across[:, None]
    columns = (x - left + across * cos - down * sin) / shrink - 0.5
    rows = (y - top + across * sin + down * cos) / shrink - 0.5
    maps = columns.astype(np.float32), rows.astype(np.float32)
    return cv2.remap(square, *maps, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def with_edges(pixels: np.ndarray, left: int, top: int, side: int) -> np.ndarray:
    """The pixels of a square; beyond the photo's edge the last pixels are repeated."""
    rows = np.clip(np.arange(top, top + side), 0, pixels.shape[0] - 1)
    columns = np.clip(np.arange(left, left + side), 0, pixels.shape[1] - 1)
    return pixels[rows[:, None], columns]


def on_black(pixels: np.ndarray, left: int, top: int, width: int, height: int = 0) -> np.ndarray:
    """The pixels of a rectangle, or of a square if no height is given; black beyond the photo."""
    whole = np.zeros((height or width, width, 3), np.uint8)
    y, x = max(top, 0), max(left, 0)
    inside = pixels[y : max(top + whole.shape[0], 0), x : max(left + width, 0)]
    whole[y - top : y - top + inside.shape[0], x - left : x - left + inside.shape[1]] = inside
    return whole
