"""Draws a face's hair: behind and before the head, the brows and the beard."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tfds_imdb_wiki.paint.brush import Points, mirror, mix, ramp

if TYPE_CHECKING:
    from tfds_imdb_wiki.paint.face import _Face


def behind(face: _Face) -> None:
    """Draws the hair that the head hides in part."""
    b, w, look = face.brush, face.width, face.look
    if face.man:
        if face.age > 3:
            for s in (-1, 1):
                b.oval(s * (w - 0.05), -0.12, 0.13, 0.36, face.hair_shade)
        return
    y = face.reach
    full = 0.10 + 0.16 * ramp(face.age, 0, 8)
    if look.style > 0.8 and face.age > 2:  # a bun, or a girl's two bunches
        if face.age < 14:
            for s in (-1, 1):
                b.oval(s * (w + 0.2), 0.1, 0.24, 0.42, face.hair_shade)
                b.oval(s * (w + 0.02), -0.12, 0.09, 0.09, (214, 84, 100))
        else:
            b.oval(0.1 * look.part, -1.16, 0.34, 0.27, face.hair_shade)
    b.shape(
        mirror(
            [
                (0, -1.08),
                (w * 0.8, -0.92),
                (w + full, -0.3),
                (w + full, y * 0.55),
                (w + full + 0.04, y),
                (w * 0.6, y + 0.16),
                (0, y + 0.1),
            ]
        ),
        face.hair_shade,
    )
    if 0.6 < look.style <= 0.8 and face.age > 2:  # curls
        for angle in np.linspace(-0.35, np.pi + 0.35, 15).tolist():
            b.oval(
                float(np.cos(angle)) * (w + full),
                -0.2 - float(np.sin(angle)) * 0.92,
                0.22,
                0.22,
                face.hair_shade,
            )


def front(face: _Face) -> None:
    """Draws the hair over the forehead, and its strands."""
    b, w, part, age = face.brush, face.width, 0.4 * face.look.part, face.age
    thick = 0.03 + 0.10 * ramp(age, 0, 10) - 0.03 * face.late - 0.07 * face.bald
    sparse = 0.55 + 0.45 * ramp(age, 0, 5)
    line = _hairline(face, part)
    if line is None:
        return
    inner, side = line
    edge = w + 0.03 + thick * 0.4
    outer = [
        (-edge, side),
        (-edge, -0.4),
        (-w * 0.62, -0.88 - thick),
        (0, -1.02 - thick),
        (w * 0.62, -0.88 - thick),
        (edge, -0.4),
        (edge, side),
    ]
    b.shape([*outer, *inner], face.hair, sparse)
    for k in range(5):  # strands
        x = -0.5 + 0.25 * k
        b.stroke(
            [(part * 0.7 + x * 0.3, -0.93), (x * w * 1.2, -0.88), (x * w * 1.75, -0.62)],
            0.03,
            face.hair_shade,
            0.45 * (face.bald < 0.4),
        )


def _hairline(face: _Face, part: float) -> tuple[Points, float] | None:
    """The hair's inner edge and the height at which it ends; None where only the sides are left."""
    w = face.width
    if face.man:
        line = -0.80 + 0.24 * ramp(face.age, 0, 8) - 0.44 * face.bald
        temple = min(line + 0.16, -0.42) - 0.30 * face.bald
        if line < -0.97:
            return None
        inner = [
            (w * 0.97, -0.14),
            (w * 0.88, -0.36),
            (w * 0.66, max(temple, -0.85)),
            (part + 0.2, line),
            (part - 0.2, line - 0.04),
            (-w * 0.66, max(temple, -0.85)),
            (-w * 0.88, -0.36),
            (-w * 0.97, -0.14),
        ]
        return inner, -0.05
    if face.look.style % 0.2 < 0.09 and face.age > 2:  # a fringe
        y = face.eye_y - 0.40
        inner = [
            (w * 0.96, 0.2),
            (w * 0.84, y + 0.08),
            (w * 0.4, y),
            (0, y - 0.03),
            (-w * 0.4, y),
            (-w * 0.84, y + 0.08),
            (-w * 0.96, 0.2),
        ]
        return inner, 0.25
    inner = [
        (w * 0.97, 0.25),
        (w * 0.88, -0.15),
        (w * 0.6, -0.5),
        (part, -0.8),
        (-w * 0.6, -0.5),
        (-w * 0.88, -0.15),
        (-w * 0.97, 0.25),
    ]
    return inner, 0.3


def brows(face: _Face) -> None:
    """Draws both brows."""
    colour = mix(face.hair_shade, face.dark, 0.25)
    thick = (0.06 + 0.06 * face.grown) if face.man else 0.038 + 0.014 * face.grown
    arch = 0.025 if face.man else 0.05
    for s in (-1, 1):
        x, y = s * face.eye_x, face.eye_y - face.eye_r - 0.12 + 0.05 * face.man * face.grown
        face.brush.stroke(
            [
                (x - s * 0.16, y),
                (x - s * 0.03, y - arch),
                (x + s * 0.1, y - arch),
                (x + s * 0.2, y + 0.05 + 0.04 * face.late),
            ],
            thick,
            colour,
        )


def beard(face: _Face) -> None:
    """Draws a man's beard, stubble or moustache."""
    b, w, y = face.brush, face.width, face.mouth_y
    kind = face.look.beard
    if not face.man or face.age < 17:
        return
    grown = ramp(face.age, 16, 24)
    half = [(w * 0.97, 0.08), (w * 0.93, 0.46), (w * 0.72, 0.86), (0.26, 1.04), (0, 1.07)]
    inner = [
        (0, y - 0.14),
        (face.mouth_r, y - 0.12),
        (face.mouth_r * 1.5, y + 0.02),
        (w * 0.78, 0.34),
    ]
    if kind < 0.22:  # a full beard
        b.shape(mirror([*inner, *half]), face.hair_shade, 0.95 * grown)
    elif kind < 0.5:  # stubble
        b.shape(mirror([*inner, *half[:-2], (0.26, 0.97), (0, 1.0)]), (70, 66, 76), 0.2 * grown)
    if kind < 0.3:  # a moustache, alone or with the beard
        for s in (-1, 1):
            b.shape(
                [
                    (0, y - 0.15),
                    (s * 0.16, y - 0.14),
                    (s * (face.mouth_r + 0.05), y + 0.01),
                    (s * 0.12, y - 0.05),
                    (0, y - 0.06),
                ],
                face.hair_shade,
                grown,
            )
