import io
import struct

import numpy as np
import pytest
from PIL import Image, ImageOps

from agejax.data.decode import canonical, decode, photo, shape_of
from agejax.data.exif import jpeg_orientation, orientation, upright
from tests.photos import backdrop, encoded, turned


def jpeg_of(orientation, form="JPEG"):
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encoded(backdrop(48, 32), form, exif=exif)


@pytest.mark.parametrize("noted", range(1, 9))
def test_all_orientations_are_turned_as_pillow_does(noted):
    jpeg = jpeg_of(noted)
    with Image.open(io.BytesIO(jpeg)) as image:
        theirs = np.asarray(ImageOps.exif_transpose(image))
        ours = upright(np.asarray(image), jpeg_orientation(jpeg))
    assert jpeg_orientation(jpeg) == noted
    np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
def test_shape_and_pixels_are_those_that_are_seen(form):
    data = jpeg_of(6, form)
    assert shape_of(data) == (48, 32)
    assert photo(data, 100).shape == (48, 32, 3)


@pytest.mark.parametrize("noted", [3, 6, 8])
def test_a_crop_is_seen_the_same_way_up_whatever_the_camera(noted):
    image = backdrop(64, 64)
    plain, held = (decode(canonical(turned(image, o)), 32).astype(int) for o in (1, noted))
    assert np.abs(plain - held).mean() < 2


def test_what_is_odd_is_upright():
    entry = struct.pack("<HHIHH", 0x0112, 3, 1, 6, 0)
    good = b"Exif\0\0II*\0\x08\0\0\0\x01\0" + entry
    assert orientation(good) == 6
    for cut in range(len(good)):
        assert orientation(good[:cut]) == 1 or cut >= len(good) - 2
    for value in (0, 9, 65535):
        assert orientation(good[:-4] + struct.pack("<HH", value, 0)) == 1
    assert orientation(b"II*\0\xff\xff\xff\xff") == 1
    assert jpeg_orientation(b"") == jpeg_orientation(b"\xff\xd8\xff\xe1") == 1
