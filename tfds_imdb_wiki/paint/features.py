"""Draws what is in and on a face: eyes, nose, mouth, wrinkles, and what is worn."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tfds_imdb_wiki.paint.brush import CIRCLE, Colour, Points, mix, ramp

if TYPE_CHECKING:
    from tfds_imdb_wiki.paint.face import _Face

WHITE: Colour = (243, 241, 237)


def wrinkles(face: _Face) -> None:
    """Draws what the years leave: creases, shadows and spots."""
    b, dark = face.brush, face.dark
    top, w = face.eye_y - 0.36, face.width
    for k in range(4):
        half, y = 0.46 - 0.06 * k, top - 0.11 * k
        _crease(
            face,
            [(-half, y), (-half / 2, y - 0.03), (0, y), (half / 2, y - 0.03), (half, y)],
            28 + 10 * k,
        )
    for s in (-1, 1):
        _wrinkle_side(face, s)
    for x, y, r in face.rng.uniform(-1, 1, (round(16 * ramp(face.age, 45, 90)), 3)).tolist():
        b.oval(x * w * 0.62, -0.2 + y * 0.58, 0.026 + 0.012 * r, 0.02 + 0.01 * r, dark, 0.4)


def _wrinkle_side(face: _Face, s: int) -> None:
    b, dark, w = face.brush, face.dark, face.width
    x, y, r = s * face.eye_x, face.eye_y, face.eye_r
    nose, mouth, m = face.nose_y, face.mouth_y, s * face.mouth_r
    _crease(
        face,
        [
            (s * (face.nose_r + 0.04), nose - 0.02),
            (m * 1.05, nose + 0.12),
            (m * 1.3, mouth),
        ],
        22,
        0.038,
    )
    _crease(face, [(x - s * r * 0.8, y + 0.12), (x, y + 0.19), (x + s * r, y + 0.13)], 30, 0.036)
    _crease(face, [(x - s * r, y + 0.19), (x, y + 0.27), (x + s * r, y + 0.19)], 55)
    for k in range(3):
        _crease(
            face,
            [
                (x + s * (r + 0.05), y + 0.02 + 0.03 * k),
                (x + s * (r + 0.17), y - 0.05 + 0.09 * k),
            ],
            27 + 11 * k,
            0.026,
        )
    _crease(
        face, [(m * 1.12, mouth + 0.06), (m * 1.22, mouth + 0.16), (m * 1.12, mouth + 0.25)], 45
    )
    _crease(face, [(s * 0.05, y - 0.2), (s * 0.04, y - 0.08)], 36)
    _crease(
        face,
        [
            (s * w * 0.82, mouth - 0.3),
            (s * w * 0.70, mouth - 0.05),
            (s * w * 0.74, mouth + 0.16),
        ],
        50,
        0.036,
    )
    b.glow(s * w * 0.66, nose + 0.16, 0.13, 0.24, dark, 0.32 * ramp(face.age, 40, 90))
    b.glow(x, y + 0.13, r * 1.1, 0.09, dark, 0.45 * face.worn)


def _crease(face: _Face, points: Points, start: float, width: float = 0.03) -> None:
    depth = ramp(face.age + face.rng.normal(0, 1.5), start, start + 45)
    if depth > 0:
        dark = min(0.12 + 0.75 * depth, 0.8)
        face.brush.stroke(points, width * (0.6 + 0.7 * depth), face.dark, dark)


def eyes(face: _Face) -> None:
    """Draws both eyes with their lids and lashes."""
    b, r, man = face.brush, face.eye_r, face.man
    high = r * (0.78 - 0.14 * face.grown)
    droop = 0.55 * high * ramp(face.age, 35, 90)
    lash = (48, 32, 34) if not man else mix(face.dark, (48, 32, 34), 0.6)
    for s in (-1, 1):
        x, y = s * face.eye_x, face.eye_y
        top = y - high + droop
        lid = [
            (x - s * r, y + 0.01),
            (x - s * r * 0.5, (top + y) / 2 - 0.25 * (y - top)),
            (x, top),
            (x + s * r * 0.6, (top + y) / 2 - 0.2 * (y - top)),
            (x + s * r * 1.04, y + 0.3 * droop),
        ]
        b.shape(
            [*lid, (x + s * r * 0.5, y + high * 0.66), (x - s * r * 0.4, y + high * 0.66)],
            mix((254, 253, 250), (236, 222, 202), face.late),
        )
        iris = high * (0.92 - 0.04 * face.grown)
        b.oval(x, y - 0.06 * r, iris, iris, face.look.iris)
        b.oval(x, y - 0.06 * r, iris * 0.55, iris * 0.55, (28, 22, 26))
        b.oval(x + iris * 0.3, y - 0.4 * iris, iris * 0.26, iris * 0.26, WHITE)
        # The upper lid covers what the iris has too much.
        over = [(px, min(py - 0.09, y - high - 0.03)) for px, py in lid[1:-1]]
        b.shape([*lid, *reversed(over)], face.skin)
        b.stroke([lid[0], *lid[1:]], 0.034 if man else 0.06, lash)
        b.stroke([(px, py - 0.075) for px, py in lid[1:]], 0.02, face.dark, 0.3 + 0.5 * face.worn)
        if not man:
            for k in (0.0, 0.06):
                b.stroke(
                    [
                        (x + s * r * (0.9 - 4 * k), y - 0.02 - k),
                        (x + s * r * 1.1, y - 0.06 - k),
                        (x + s * (r + 0.10 - k), y - 0.13 - k),
                    ],
                    0.04,
                    lash,
                )


def nose(face: _Face) -> None:
    """Draws the nose."""
    b, y, r = face.brush, face.nose_y, face.nose_r + 0.025 * face.late + 0.015 * face.man
    b.glow(0, y - 0.03, r * 1.2, r, face.dark, 0.28)
    b.stroke(
        [
            (-r, y - 0.03),
            (-r * 0.6, y + 0.04),
            (0, y + 0.015),
            (r * 0.6, y + 0.04),
            (r, y - 0.03),
        ],
        0.04,
        face.dark,
        0.85,
    )
    b.stroke(
        [(r * 0.55, face.eye_y + 0.08), (r * 0.4, y - 0.16), (r * 0.75, y - 0.06)],
        0.025,
        face.dark,
        0.5 * face.grown,
    )


def mouth(face: _Face, smile: float) -> None:
    """Draws the mouth; `smile` is from 0 to 1."""
    b, y, r = face.brush, face.mouth_y, face.mouth_r
    bow = 0.05 + 0.07 * smile - 0.05 * face.late
    full = (0.075 if not face.man else 0.05) * (1 - 0.6 * face.late)
    red: Colour = (206, 62, 78) if not face.man else (190, 98, 88)
    colour = mix(
        face.skin,
        red,
        (0.45 + 0.35 * face.grown - 0.3 * face.late) * (1.0 if not face.man else 0.6),
    )
    ends = [(-r, y - bow * 0.8), (r, y - bow * 0.8)]
    gape = max(smile - 0.55, 0.0) * 0.22
    low = y + bow * 0.6 + gape
    b.shape(
        [
            ends[0],
            (-r * 0.3, y - full),
            (0, y - full * 0.7),
            (r * 0.3, y - full),
            ends[1],
            (r * 0.45, low + full),
            (-r * 0.45, low + full),
        ],
        colour,
    )
    if gape > 0.02:
        b.shape(
            [ends[0], (0, y + bow * 0.2), ends[1], (r * 0.45, low), (-r * 0.45, low)],
            WHITE if face.age > 1 else (170, 62, 70),
        )
    b.stroke(
        [ends[0], (-r * 0.4, y + bow * 0.2), (r * 0.4, y + bow * 0.2), ends[1]],
        0.034,
        mix(face.dark, (96, 24, 30), 0.5),
    )


def extras(face: _Face) -> None:
    """Draws earrings, a bow or glasses on those who wear them."""
    b, w, look, y = face.brush, face.width, face.look, face.eye_y
    if not face.man and look.earrings < 0.5 and face.age > 13:
        for s in (-1, 1):
            b.oval(s * (w + 0.05), y + 0.4, 0.05, 0.07, (238, 196, 84))
    if not face.man and face.age < 9 and look.earrings < 0.6:  # a bow
        for s in (-1, 1):
            b.shape(
                [(0.42, -0.86), (0.42 + s * 0.2, -1.02), (0.42 + s * 0.2, -0.74)],
                (222, 84, 112),
            )
    if look.glasses < (0.08 + 0.3 * ramp(face.age, 20, 70)) * (face.age > 5):
        frame: Colour = (58, 50, 56)
        for s in (-1, 1):
            ring = CIRCLE * (face.eye_r + 0.09, face.eye_r + 0.07) + (s * face.eye_x, y + 0.02)
            ring = np.concatenate([ring, ring[:1]])
            hole = (ring - (s * face.eye_x, y + 0.02)) * 0.86 + (s * face.eye_x, y + 0.02)
            b.fill(np.concatenate([ring, hole[::-1]]), frame, 0.9)
            b.stroke([(s * (face.eye_x + face.eye_r + 0.08), y), (s * w, y - 0.03)], 0.04, frame)
        gap = face.eye_x - face.eye_r - 0.08
        b.stroke([(-gap, y), (0, y - 0.04), (gap, y)], 0.05, frame)
