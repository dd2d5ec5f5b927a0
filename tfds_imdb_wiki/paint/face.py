"""Paints drawn faces, no photograph among them, that look younger or older and are men or women.

A face is drawn in face units: the head's centre is (0, 0), its skull ends at y = -1 and its chin
near y = +1, x runs to the right. A `Brush` carries these units into pixels, with the pose. What
tells the age changes gradually over the whole life, so that a small network can learn to read it.
"""

from __future__ import annotations

import numpy as np
from PIL import Image

from tfds_imdb_wiki.paint import features, hair
from tfds_imdb_wiki.paint.brush import Brush, Colour, Points, mirror, mix, ramp
from tfds_imdb_wiki.paint.features import WHITE
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


class _Face:
    """One face being painted: its measures at this age, and the body and head drawn by them."""

    def __init__(self, brush: Brush, age: int, man: bool, look: Look, rng: np.random.Generator):
        self.brush, self.age, self.man, self.look, self.rng = brush, age, man, look, rng
        grown = self.grown = 1 - float(np.exp(-age / 8))
        self.late = ramp(age, 20, 90)
        self.worn = ramp(age, 26, 88)

        def grow(baby: float, adult: float) -> float:
            """Returns a measure between that of a baby and that of an adult."""
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
        """Draws the neck and the clothes."""
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

    def head(self, light: float) -> None:
        """Draws the ears, the bare head and the cheeks; `light` is the side that it comes from."""
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
    hair.behind(face)
    face.body(CLOTHES[rng.integers(len(CLOTHES))])
    face.head(light)
    brush.turn = rng.uniform(-0.09, 0.09)
    features.wrinkles(face)
    hair.beard(face)
    features.nose(face)
    features.mouth(face, rng.random())
    features.eyes(face)
    hair.brows(face)
    brush.turn = 0.0
    hair.front(face)
    features.extras(face)
    small = image.reduce(OVERSAMPLING)  # as smooth here as LANCZOS, and far quicker
    across = np.linspace(-0.09, 0.09, size, dtype=np.float32) * light
    gain = rng.uniform(0.88, 1.06) + across[None, :] + across[:, None] * -light
    lit = np.asarray(small, np.float32) * gain[..., None]
    return Image.fromarray(lit.clip(0, 255).astype(np.uint8))
