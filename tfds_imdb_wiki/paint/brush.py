"""Smooth flat shapes, given in units of one's own, drawn onto a picture with Pillow."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

Colour = tuple[int, int, int]
Points = Sequence[tuple[float, float]]

CIRCLE = np.stack([np.cos(a := np.linspace(0, 2 * np.pi, 32, endpoint=False)), np.sin(a)], 1)
_T = np.linspace(0, 1, 8, endpoint=False)
# Catmull-Rom: a smooth curve through the control points, eight samples to a piece.
_SPLINE = 0.5 * np.stack(
    [
        -_T + 2 * _T**2 - _T**3,
        2 - 5 * _T**2 + 3 * _T**3,
        _T + 4 * _T**2 - 3 * _T**3,
        -(_T**2) + _T**3,
    ],
    1,
)


def mix(a: Colour, b: Colour, share: float) -> Colour:
    """Colour `a` with the `share` (0..1) of colour `b` in it."""
    red, green, blue = (round(p + (q - p) * share) for p, q in zip(a, b, strict=True))
    return red, green, blue


def ramp(age: float, start: float, end: float) -> float:
    """How far `age` is on the way from `start` to `end`, within 0..1."""
    return min(max((age - start) / (end - start), 0.0), 1.0)


def mirror(right: Points) -> Points:
    """A closed outline from its right half, given from the top downwards."""
    return [*right, *((-x, y) for x, y in reversed(right) if x > 0)]


class Brush:
    """Draws shapes given in face units onto a picture, tilted, shifted, scaled and turned."""

    def __init__(self, image: Image.Image, unit: float, centre: tuple[float, float], tilt: float):
        self._opaque = ImageDraw.Draw(image)
        self._blending = ImageDraw.Draw(image, "RGBA")  # slower
        c, s = unit * np.cos(tilt), unit * np.sin(tilt)
        self._matrix = np.array([[c, s], [-s, c]])
        self._centre = np.array(centre)
        self.turn = 0.0  # how far the head looks aside: moves the middle of the face more

    def fill(self, points: np.ndarray, colour: Colour, alpha: float = 1.0) -> None:
        """Fills the polygon `points` of shape (n, 2)."""
        if self.turn:
            aside = self.turn * np.maximum(1 - points[:, :1] ** 2, 0)
            points = points + aside * (1.0, 0.0)
        pixels = (points @ self._matrix + self._centre).ravel().tolist()
        if alpha >= 1:
            self._opaque.polygon(pixels, colour)
        elif alpha > 0.01:
            self._blending.polygon(pixels, (*colour, round(255 * alpha)))

    def oval(
        self, x: float, y: float, rx: float, ry: float, colour: Colour, alpha: float = 1.0
    ) -> None:
        """An upright oval about (x, y)."""
        self.fill(CIRCLE * (rx, ry) + (x, y), colour, alpha)

    def glow(self, x: float, y: float, rx: float, ry: float, colour: Colour, alpha: float) -> None:
        """An oval with a soft edge."""
        for share in (1.0, 0.82, 0.64, 0.46):
            self.oval(x, y, rx * share, ry * share, colour, alpha / 4)

    def shape(self, points: Points, colour: Colour, alpha: float = 1.0) -> None:
        """The smooth closed shape through `points`."""
        p = np.array(points, float)
        p = np.concatenate([p[-1:], p, p[:2]])
        pieces = np.stack([p[:-3], p[1:-2], p[2:-1], p[3:]], 1)
        self.fill((_SPLINE @ pieces).reshape(-1, 2), colour, alpha)

    def stroke(self, points: Points, width: float, colour: Colour, alpha: float = 1.0) -> None:
        """A smooth line through `points`, thickest in its middle and pointed at its ends."""
        if alpha <= 0.01:
            return
        p = np.array([points[0], *points, points[-1]], float)
        pieces = np.stack([p[:-3], p[1:-2], p[2:-1], p[3:]], 1)
        line = np.concatenate([(_SPLINE @ pieces).reshape(-1, 2), p[-1:]])
        along = np.diff(line, axis=0, append=line[-1:] * 2 - line[-2:-1])
        across = along[:, ::-1] * (-1.0, 1.0) / np.hypot(*along.T)[:, None].clip(1e-6)
        half = across * (width / 2 * np.sin(np.linspace(0.15, np.pi - 0.15, len(line))))[:, None]
        self.fill(np.concatenate([line + half, (line - half)[::-1]]), colour, alpha)
