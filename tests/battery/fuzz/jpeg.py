"""JPEGs, as the builder admits them, training decodes them and prediction reads them."""

import contextlib

import numpy as np

from agejax.data.decode import BadImage, canonical, decode, photo, shape_of
from tests.battery.fuzz.mutate import damaged
from tests.photos import backdrop, encoded, group_photo, turned
from tfds_imdb_wiki.images import admit


def prepare(folder):
    face = group_photo().crop((300, 200, 560, 460)).resize((96, 96))
    good = [
        encoded(face),
        encoded(face, progressive=True),
        encoded(face, subsampling=0, quality=98),
        encoded(face.convert("L")),
        encoded(face.convert("CMYK")),
        turned(face, 6),
        encoded(backdrop(700, 300)),
    ]

    def case(rng):
        data = damaged(good[int(rng.integers(0, len(good)))], rng, head=700)
        for read in (canonical, shape_of, lambda data: photo(data, 256)):
            with contextlib.suppress(BadImage):
                read(data)
        with contextlib.suppress(BadImage):
            pixels = decode(data, 48)
            assert (pixels.shape, pixels.dtype) == ((48, 48, 3), np.uint8)
        admitted = admit(data)
        if isinstance(admitted, str):
            return "refused"
        decode(admitted, 48)  # what is stored can be read
        return "read"

    return case
