"""Photos with several painted faces, which the detector takes for real ones."""

import io

import numpy as np
from PIL import Image

from tfds_imdb_wiki.paint.face import paint_face

PLACES = ((30, 60, 220), (300, 200, 260), (600, 40, 230))  # left, top and side of each


def backdrop(width=900, height=600, seed=3):
    """An image of soft colours without a face."""
    rng = np.random.default_rng(seed)
    small = rng.integers(90, 200, (6, 9, 3), np.uint8)
    return Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC)


def group_photo(ages=(8, 38, 68)):
    """An image with a painted face of each age at `PLACES`, women and men in turn."""
    image = backdrop()
    for i, (age, (left, top, side)) in enumerate(zip(ages, PLACES, strict=False)):
        image.paste(paint_face(age, i % 2, np.random.default_rng(i), side), (left, top))
    return image


def tilted_photo(roll, middle=(450, 300), side=230):
    """A photo of one painted face that is turned clockwise by `roll` degrees about `middle`."""
    face = paint_face(38, 1, np.random.default_rng(1), side).convert("RGBA")
    face = face.rotate(-roll, Image.Resampling.BICUBIC, expand=True)
    image = backdrop()
    corner = tuple(round(at - length / 2) for at, length in zip(middle, face.size, strict=True))
    image.paste(face, corner, face)
    return image


def encoded(image, form="JPEG", **options):
    """The bytes of a file."""
    out = io.BytesIO()
    image.save(out, form, **options)
    return out.getvalue()


def turned(image, orientation):
    """A JPEG whose EXIF says how to turn it, so that `image` is what is seen."""
    stored = {
        1: image,
        3: image.transpose(Image.Transpose.ROTATE_180),
        6: image.transpose(Image.Transpose.ROTATE_90),  # seen after a quarter turn clockwise
        8: image.transpose(Image.Transpose.ROTATE_270),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encoded(stored, exif=exif, quality=95)
