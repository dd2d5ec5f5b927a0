"""What a painted person keeps through the years, whatever the age: skin, hair, habits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tfds_imdb_wiki.paint.brush import Colour, mix

SKINS: list[Colour] = [
    (255, 222, 198),
    (250, 208, 178),
    (238, 190, 152),
    (219, 166, 124),
    (188, 132, 92),
    (150, 100, 68),
    (118, 78, 54),
]
HAIRS: list[Colour] = [
    (38, 30, 32),
    (62, 42, 34),
    (98, 62, 40),
    (142, 92, 52),
    (206, 160, 88),
    (170, 78, 42),
]
IRISES: list[Colour] = [(84, 56, 38), (62, 44, 36), (92, 124, 82), (78, 122, 162), (112, 98, 62)]


@dataclass(frozen=True)
class Look:
    """What stays with a person through the years; colours, and shares mostly within 0..1."""

    skin: Colour
    hair: Colour
    iris: Colour
    width: float
    style: float  # which haircut
    part: float  # where the hair is parted, -1..1
    greying: float  # years the hair is ahead of others'
    balding: float
    beard: float
    glasses: float
    earrings: float

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Look:
        """A person drawn by chance from `rng`."""
        tone = rng.uniform(0, len(SKINS) - 1.01)
        skin = mix(SKINS[int(tone)], SKINS[int(tone) + 1], tone % 1)
        # Dark skin with fair hair or eyes is rare; the pictures need not claim otherwise.
        choices = 2 if tone > 3.5 else len(HAIRS)
        shade = mix(HAIRS[rng.integers(choices)], HAIRS[rng.integers(choices)], 0.25)
        iris = IRISES[rng.integers(2 if tone > 3.5 else len(IRISES))]
        return cls(
            skin,
            shade,
            iris,
            rng.uniform(0.95, 1.05),
            rng.random(),
            rng.uniform(-1, 1),
            rng.normal(0, 2.5),
            rng.uniform(0.45, 1.1),
            rng.random(),
            rng.random(),
            rng.random(),
        )
