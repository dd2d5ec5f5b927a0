"""Paints drawn faces, no photograph among them, that look younger or older and are men or women.

A face is drawn in face units: the head's centre is (0, 0), its skull ends at y = -1 and its chin
near y = +1, x runs to the right. A `Brush` carries these units into pixels, with the pose. What
tells the age changes gradually over the whole life, so that a small network can learn to read it.
"""

from __future__ import annotations

import numpy as np
from PIL import Image

from tfds_imdb_wiki.paint.brush import CIRCLE, Brush, Colour, Points, mirror, mix, ramp
from tfds_imdb_wiki.paint.look import Look

OVERSAMPLING = 3
BACKGROUNDS: list[Colour] = [
    (246, 218, 196),
    (199, 222, 233),
    (206, 228, 205),
    (240, 226, 180),
    (224, 208, 232),
    (186, 198, 214),
    (244, 205, 205),
    (222, 222, 218),
]
CLOTHES: list[Colour] = [
    (70, 104, 152),
    (176, 74, 74),
    (84, 134, 106),
    (232, 178, 82),
    (112, 88, 140),
    (64, 70, 84),
    (228, 228, 224),
    (204, 122, 92),
]
GREY: Colour = (158, 157, 160)
WHITE: Colour = (243, 241, 237)


class _Face:
    """One face being painted: its measures at this age, and the steps that draw it."""

    def __init__(self, brush: Brush, age: int, man: bool, look: Look, rng: np.random.Generator):
        self.brush, self.age, self.man, self.look, self.rng = brush, age, man, look, rng
        grown = self.grown = 1 - float(np.exp(-age / 8))
        self.late = ramp(age, 20, 90)
        self.worn = ramp(age, 26, 88)

        def grow(baby: float, adult: float) -> float:
            return baby + (adult - baby) * grown

        self.width = grow(0.92, 0.80 if man else 0.73) * look.width
        self.eye_x, self.eye_y = grow(0.42, 0.33), grow(0.30, 0.0)
        self.eye_r = grow(0.185, 0.13) - 0.015 * self.late
        self.nose_y, self.nose_r = grow(0.52, 0.36) + 0.04 * self.late, grow(0.06, 0.10)
        self.mouth_y, self.mouth_r = grow(0.73, 0.64) + 0.02 * self.late, grow(0.14, 0.25)
        self.skin = mix(look.skin, mix(look.skin, (206, 190, 176), 0.45), self.late)
        self.dark = mix(self.skin, (92, 34, 22), 0.45)
        self.shadow = mix(self.skin, (120, 50, 50), 0.17)
        # Children's hair is fairer; later it turns grey, then white.
        young = mix(look.hair, (226, 186, 130), 0.3 * (1 - grown))
        years = age + look.greying
        self.hair = mix(mix(young, GREY, ramp(years, 36, 64)), WHITE, ramp(years, 58, 88))
        self.hair_shade = mix(self.hair, (40, 34, 50), 0.22)
        # Hair reaches further down a girl's shoulders each year; old women wear it shorter.
        reach = -0.1 + 1.65 * ramp(age, -1, 9) - 1.15 * ramp(age, 38, 82)
        self.reach = reach if look.style < 0.45 else min(reach, 0.75)
        self.bald = min(look.balding * ramp(age, 26, 76), 1.0) if man else 0.0

    def outline(self) -> Points:
        """The head's outline: round on a child, square on a man, with jowls on the old."""
        w, grown, jowl = self.width, self.grown, ramp(self.age, 38, 90)
        jaw = 0.97 - (0.07 if self.man else 0.12) * grown + 0.03 * jowl
        low = 0.70 - (0.05 if self.man else 0.20) * grown + 0.16 * jowl
        chin = 0.25 + (0.04 if self.man else -0.03) * grown
        return mirror(
            [
                (0, -1),
                (0.58 * w, -0.86),
                (0.96 * w, -0.42),
                (w, 0.08),
                (jaw * w, 0.46),
                (low * w, 0.80 + 0.03 * jowl),
                (chin, 0.97),
                (0, 1.01),
            ]
        )

    def body(self, cloth: Colour) -> None:
        b, grown = self.brush, self.grown
        neck = 0.30 + (0.17 if self.man else 0.05) * grown
        wide = 0.95 + (1.0 if self.man else 0.65) * grown
        b.shape(
            mirror([(0, 0.5), (neck, 0.6), (neck, 1.3), (neck + 0.1, 1.6), (0, 1.75)]), self.shadow
        )
        for k in range(3):  # the neck's folds
            y = 1.1 + 0.1 * k
            b.stroke(
                [(-neck * 0.8, y), (0, y + 0.06), (neck * 0.8, y)],
                0.035,
                self.dark,
                0.6 * ramp(self.age, 45 + 8 * k, 75 + 8 * k),
            )
        b.shape(
            [
                (0, 1.42),
                (neck * 0.8, 1.34),
                (neck + 0.1, 1.22),
                (wide * 0.75, 1.38),
                (wide, 1.7),
                (wide + 0.1, 3.2),
                (-wide - 0.1, 3.2),
                (-wide, 1.7),
                (-wide * 0.75, 1.38),
                (-neck - 0.1, 1.22),
                (-neck * 0.8, 1.34),
            ],
            cloth,
        )
        if self.man and self.age > 14:
            for s in (-1, 1):
                b.shape(
                    [
                        (s * neck, 1.18),
                        (s * 0.05, 1.46),
                        (s * 0.28, 1.66),
                        (s * (neck + 0.12), 1.3),
                    ],
                    mix(cloth, WHITE, 0.45),
                )

    def hair_behind(self) -> None:
        b, w, look = self.brush, self.width, self.look
        if self.man:
            if self.age > 3:
                for s in (-1, 1):
                    b.oval(s * (w - 0.05), -0.12, 0.13, 0.36, self.hair_shade)
            return
        y = self.reach
        full = 0.10 + 0.16 * ramp(self.age, 0, 8)
        if look.style > 0.8 and self.age > 2:  # a bun, or a girl's two bunches
            if self.age < 14:
                for s in (-1, 1):
                    b.oval(s * (w + 0.2), 0.1, 0.24, 0.42, self.hair_shade)
                    b.oval(s * (w + 0.02), -0.12, 0.09, 0.09, (214, 84, 100))
            else:
                b.oval(0.1 * look.part, -1.16, 0.34, 0.27, self.hair_shade)
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
            self.hair_shade,
        )
        if 0.6 < look.style <= 0.8 and self.age > 2:  # curls
            for angle in np.linspace(-0.35, np.pi + 0.35, 15).tolist():
                b.oval(
                    float(np.cos(angle)) * (w + full),
                    -0.2 - float(np.sin(angle)) * 0.92,
                    0.22,
                    0.22,
                    self.hair_shade,
                )

    def head(self, light: float) -> None:
        b, w = self.brush, self.width
        ear = 0.15 + 0.06 * self.late + (0.02 if self.man else 0.0)
        for s in (-1, 1):
            b.oval(s * (w + 0.03), self.eye_y + 0.14, 0.10, ear, self.skin)
            b.oval(s * (w + 0.04), self.eye_y + 0.14, 0.05, ear * 0.6, self.shadow)
        outline = self.outline()
        b.shape(outline, self.shadow)
        b.shape([(x * 0.95 + 0.04 * light, y * 0.965 - 0.03) for x, y in outline], self.skin)
        if self.bald > 0.5:
            b.glow(0.3 * light, -0.75, 0.26, 0.12, WHITE, 0.5 * (self.bald - 0.5))
        rosy = 0.42 - 0.30 * ramp(self.age, 0, 60)
        for s in (-1, 1):
            b.glow(s * (self.eye_x + 0.12), self.nose_y + 0.1, 0.21, 0.16, (240, 96, 92), rosy)

    def wrinkles(self) -> None:
        b, dark = self.brush, self.dark
        top, w = self.eye_y - 0.36, self.width

        def crease(points: Points, start: float, width: float = 0.03) -> None:
            depth = ramp(self.age + self.rng.normal(0, 1.5), start, start + 45)
            if depth > 0:
                b.stroke(points, width * (0.6 + 0.7 * depth), dark, min(0.12 + 0.75 * depth, 0.8))

        for k in range(4):
            half, y = 0.46 - 0.06 * k, top - 0.11 * k
            crease(
                [(-half, y), (-half / 2, y - 0.03), (0, y), (half / 2, y - 0.03), (half, y)],
                28 + 10 * k,
            )
        for s in (-1, 1):
            x, y, r = s * self.eye_x, self.eye_y, self.eye_r
            nose, mouth, m = self.nose_y, self.mouth_y, s * self.mouth_r
            crease(
                [
                    (s * (self.nose_r + 0.04), nose - 0.02),
                    (m * 1.05, nose + 0.12),
                    (m * 1.3, mouth),
                ],
                22,
                0.038,
            )
            crease([(x - s * r * 0.8, y + 0.12), (x, y + 0.19), (x + s * r, y + 0.13)], 30, 0.036)
            crease([(x - s * r, y + 0.19), (x, y + 0.27), (x + s * r, y + 0.19)], 55)
            for k in range(3):
                crease(
                    [
                        (x + s * (r + 0.05), y + 0.02 + 0.03 * k),
                        (x + s * (r + 0.17), y - 0.05 + 0.09 * k),
                    ],
                    27 + 11 * k,
                    0.026,
                )
            crease(
                [(m * 1.12, mouth + 0.06), (m * 1.22, mouth + 0.16), (m * 1.12, mouth + 0.25)], 45
            )
            crease([(s * 0.05, y - 0.2), (s * 0.04, y - 0.08)], 36)
            crease(
                [
                    (s * w * 0.82, mouth - 0.3),
                    (s * w * 0.70, mouth - 0.05),
                    (s * w * 0.74, mouth + 0.16),
                ],
                50,
                0.036,
            )
            b.glow(s * w * 0.66, nose + 0.16, 0.13, 0.24, dark, 0.32 * ramp(self.age, 40, 90))
            b.glow(x, y + 0.13, r * 1.1, 0.09, dark, 0.45 * self.worn)
        for x, y, r in self.rng.uniform(-1, 1, (round(16 * ramp(self.age, 45, 90)), 3)).tolist():
            b.oval(x * w * 0.62, -0.2 + y * 0.58, 0.026 + 0.012 * r, 0.02 + 0.01 * r, dark, 0.4)

    def eyes(self) -> None:
        b, r, man = self.brush, self.eye_r, self.man
        high = r * (0.78 - 0.14 * self.grown)
        droop = 0.55 * high * ramp(self.age, 35, 90)
        lash = (48, 32, 34) if not man else mix(self.dark, (48, 32, 34), 0.6)
        for s in (-1, 1):
            x, y = s * self.eye_x, self.eye_y
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
                mix((254, 253, 250), (236, 222, 202), self.late),
            )
            iris = high * (0.92 - 0.04 * self.grown)
            b.oval(x, y - 0.06 * r, iris, iris, self.look.iris)
            b.oval(x, y - 0.06 * r, iris * 0.55, iris * 0.55, (28, 22, 26))
            b.oval(x + iris * 0.3, y - 0.4 * iris, iris * 0.26, iris * 0.26, WHITE)
            # The upper lid covers what the iris has too much.
            over = [(px, min(py - 0.09, y - high - 0.03)) for px, py in lid[1:-1]]
            b.shape([*lid, *reversed(over)], self.skin)
            b.stroke([lid[0], *lid[1:]], 0.034 if man else 0.06, lash)
            b.stroke(
                [(px, py - 0.075) for px, py in lid[1:]], 0.02, self.dark, 0.3 + 0.5 * self.worn
            )
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

    def brows(self) -> None:
        colour = mix(self.hair_shade, self.dark, 0.25)
        thick = (0.06 + 0.06 * self.grown) if self.man else 0.038 + 0.014 * self.grown
        arch = 0.025 if self.man else 0.05
        for s in (-1, 1):
            x, y = s * self.eye_x, self.eye_y - self.eye_r - 0.12 + 0.05 * self.man * self.grown
            self.brush.stroke(
                [
                    (x - s * 0.16, y),
                    (x - s * 0.03, y - arch),
                    (x + s * 0.1, y - arch),
                    (x + s * 0.2, y + 0.05 + 0.04 * self.late),
                ],
                thick,
                colour,
            )

    def nose(self) -> None:
        b, y, r = self.brush, self.nose_y, self.nose_r + 0.025 * self.late + 0.015 * self.man
        b.glow(0, y - 0.03, r * 1.2, r, self.dark, 0.28)
        b.stroke(
            [
                (-r, y - 0.03),
                (-r * 0.6, y + 0.04),
                (0, y + 0.015),
                (r * 0.6, y + 0.04),
                (r, y - 0.03),
            ],
            0.04,
            self.dark,
            0.85,
        )
        b.stroke(
            [(r * 0.55, self.eye_y + 0.08), (r * 0.4, y - 0.16), (r * 0.75, y - 0.06)],
            0.025,
            self.dark,
            0.5 * self.grown,
        )

    def mouth(self, smile: float) -> None:
        b, y, r = self.brush, self.mouth_y, self.mouth_r
        bow = 0.05 + 0.07 * smile - 0.05 * self.late
        full = (0.075 if not self.man else 0.05) * (1 - 0.6 * self.late)
        red: Colour = (206, 62, 78) if not self.man else (190, 98, 88)
        colour = mix(
            self.skin,
            red,
            (0.45 + 0.35 * self.grown - 0.3 * self.late) * (1.0 if not self.man else 0.6),
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
                WHITE if self.age > 1 else (170, 62, 70),
            )
        b.stroke(
            [ends[0], (-r * 0.4, y + bow * 0.2), (r * 0.4, y + bow * 0.2), ends[1]],
            0.034,
            mix(self.dark, (96, 24, 30), 0.5),
        )

    def beard(self) -> None:
        b, w, y = self.brush, self.width, self.mouth_y
        kind = self.look.beard
        if not self.man or self.age < 17:
            return
        grown = ramp(self.age, 16, 24)
        half = [(w * 0.97, 0.08), (w * 0.93, 0.46), (w * 0.72, 0.86), (0.26, 1.04), (0, 1.07)]
        inner = [
            (0, y - 0.14),
            (self.mouth_r, y - 0.12),
            (self.mouth_r * 1.5, y + 0.02),
            (w * 0.78, 0.34),
        ]
        if kind < 0.22:  # a full beard
            b.shape(mirror([*inner, *half]), self.hair_shade, 0.95 * grown)
        elif kind < 0.5:  # stubble
            b.shape(mirror([*inner, *half[:-2], (0.26, 0.97), (0, 1.0)]), (70, 66, 76), 0.2 * grown)
        if kind < 0.3:  # a moustache, alone or with the beard
            for s in (-1, 1):
                b.shape(
                    [
                        (0, y - 0.15),
                        (s * 0.16, y - 0.14),
                        (s * (self.mouth_r + 0.05), y + 0.01),
                        (s * 0.12, y - 0.05),
                        (0, y - 0.06),
                    ],
                    self.hair_shade,
                    grown,
                )

    def hair_front(self) -> None:
        b, w, part, age = self.brush, self.width, 0.4 * self.look.part, self.age
        thick = 0.03 + 0.10 * ramp(age, 0, 10) - 0.03 * self.late - 0.07 * self.bald
        sparse = 0.55 + 0.45 * ramp(age, 0, 5)
        if self.man:
            line = -0.80 + 0.24 * ramp(age, 0, 8) - 0.44 * self.bald
            temple = min(line + 0.16, -0.42) - 0.30 * self.bald
            if line < -0.97:  # only the sides are left
                return
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
            side = -0.05
        elif self.look.style % 0.2 < 0.09 and age > 2:  # a fringe
            y = self.eye_y - 0.40
            inner = [
                (w * 0.96, 0.2),
                (w * 0.84, y + 0.08),
                (w * 0.4, y),
                (0, y - 0.03),
                (-w * 0.4, y),
                (-w * 0.84, y + 0.08),
                (-w * 0.96, 0.2),
            ]
            side = 0.25
        else:
            inner = [
                (w * 0.97, 0.25),
                (w * 0.88, -0.15),
                (w * 0.6, -0.5),
                (part, -0.8),
                (-w * 0.6, -0.5),
                (-w * 0.88, -0.15),
                (-w * 0.97, 0.25),
            ]
            side = 0.3
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
        b.shape([*outer, *inner], self.hair, sparse)
        for k in range(5):  # strands
            x = -0.5 + 0.25 * k
            b.stroke(
                [(part * 0.7 + x * 0.3, -0.93), (x * w * 1.2, -0.88), (x * w * 1.75, -0.62)],
                0.03,
                self.hair_shade,
                0.45 * (self.bald < 0.4),
            )

    def extras(self) -> None:
        b, w, look, y = self.brush, self.width, self.look, self.eye_y
        if not self.man and look.earrings < 0.5 and self.age > 13:
            for s in (-1, 1):
                b.oval(s * (w + 0.05), y + 0.4, 0.05, 0.07, (238, 196, 84))
        if not self.man and self.age < 9 and look.earrings < 0.6:  # a bow
            for s in (-1, 1):
                b.shape(
                    [(0.42, -0.86), (0.42 + s * 0.2, -1.02), (0.42 + s * 0.2, -0.74)],
                    (222, 84, 112),
                )
        if look.glasses < (0.08 + 0.3 * ramp(self.age, 20, 70)) * (self.age > 5):
            frame: Colour = (58, 50, 56)
            for s in (-1, 1):
                ring = CIRCLE * (self.eye_r + 0.09, self.eye_r + 0.07) + (s * self.eye_x, y + 0.02)
                ring = np.concatenate([ring, ring[:1]])
                hole = (ring - (s * self.eye_x, y + 0.02)) * 0.86 + (s * self.eye_x, y + 0.02)
                b.fill(np.concatenate([ring, hole[::-1]]), frame, 0.9)
                b.stroke(
                    [(s * (self.eye_x + self.eye_r + 0.08), y), (s * w, y - 0.03)], 0.04, frame
                )
            gap = self.eye_x - self.eye_r - 0.08
            b.stroke([(-gap, y), (0, y - 0.04), (gap, y)], 0.05, frame)


def paint_face(
    age: int, gender: int, rng: np.random.Generator, size: int = 128, *, look: Look | None = None
) -> Image.Image:
    """Paints one face.

    Args:
      age: in years, 0..100.
      gender: 0 female, 1 male.
      rng: decides all that is left to chance; the same state paints the same picture.
      size: of the square picture in pixels, at least 8.
      look: the person's own looks; without it they are drawn from `rng`.

    Returns:
      An RGB picture of `size` x `size` pixels.

    Raises:
      ValueError: on an age, gender or size outside these.
    """
    if not 0 <= age <= 100 or gender not in (0, 1) or size < 8:
        raise ValueError(f"cannot paint age {age} (0..100), gender {gender} (0, 1), size {size}")
    look = look or Look.draw(rng)
    full = size * OVERSAMPLING
    image = Image.new("RGB", (full, full), BACKGROUNDS[rng.integers(len(BACKGROUNDS))])
    centre = full * rng.uniform(0.47, 0.53), full * rng.uniform(0.49, 0.54)
    brush = Brush(image, full * rng.uniform(0.30, 0.345), centre, rng.normal(0, 0.07))
    face = _Face(brush, age, gender == 1, look, rng)
    light = rng.choice((-1.0, 1.0))
    face.hair_behind()
    face.body(CLOTHES[rng.integers(len(CLOTHES))])
    face.head(light)
    brush.turn = rng.uniform(-0.09, 0.09)
    face.wrinkles()
    face.beard()
    face.nose()
    face.mouth(rng.random())
    face.eyes()
    face.brows()
    brush.turn = 0.0
    face.hair_front()
    face.extras()
    small = image.reduce(OVERSAMPLING)  # as smooth here as LANCZOS, and far quicker
    across = np.linspace(-0.09, 0.09, size, dtype=np.float32) * light
    gain = rng.uniform(0.88, 1.06) + across[None, :] + across[:, None] * -light
    lit = np.asarray(small, np.float32) * gain[..., None]
    return Image.fromarray(lit.clip(0, 255).astype(np.uint8))
