import io

import numpy as np
import pytest
from PIL import Image

from tfds_imdb_wiki.images import admit


def picture(width, height, mode="RGB", seed=0):
    rng = np.random.default_rng(seed)
    rough = Image.fromarray(rng.integers(0, 256, (4, 4, 3), np.uint8))
    return rough.resize((width, height), Image.Resampling.BICUBIC).convert(mode)


def encoded(image, form="JPEG", **options):
    out = io.BytesIO()
    image.save(out, form, **options)
    return out.getvalue()


def opened(data):
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"quality": 5},
        {"quality": 100, "subsampling": 0},
        {"progressive": True},
        {"optimize": True},
        {"keep_rgb": True},
        {"comment": b"a comment"},
    ],
    ids=str,
)
def test_a_colour_jpeg_passes_byte_for_byte(options):
    data = encoded(picture(60, 40), **options)
    assert admit(data) == data


@pytest.mark.parametrize("size", [(16, 16), (16, 200), (512, 512), (512, 16)])
def test_sixteen_to_512_pixels_a_side_pass_byte_for_byte(size):
    data = encoded(picture(*size))
    assert admit(data) == data


@pytest.mark.parametrize("size", [(1, 1), (15, 15), (15, 200), (200, 15)])
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_under_sixteen_pixels_a_side_is_too_small(size, mode):
    assert admit(encoded(picture(*size, mode))) == "too_small"


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_greyscale_and_cmyk_become_the_same_picture_in_rgb(mode):
    image = picture(60, 40, mode)
    data = encoded(image, quality=95)
    stored = opened(admit(data))
    assert (stored.format, stored.mode, stored.size) == ("JPEG", "RGB", (60, 40))
    error = np.abs(np.asarray(stored, int) - np.asarray(opened(data).convert("RGB"), int))
    assert error.mean() < 3


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize(
    ("size", "scaled"),
    [((513, 513), (512, 512)), ((1400, 700), (512, 256)), ((300, 1200), (128, 512))],
)
def test_what_is_over_512_pixels_is_scaled_down_to_it(mode, size, scaled):
    stored = opened(admit(encoded(picture(*size, mode))))
    assert (stored.format, stored.mode, stored.size) == ("JPEG", "RGB", scaled)


@pytest.mark.parametrize("form", ["PNG", "WEBP", "GIF", "BMP", "TIFF"])
def test_other_formats_are_undecodable(form):
    assert admit(encoded(picture(60, 40), form)) == "undecodable"


@pytest.mark.parametrize("data", [b"", b"\xff", b"\xff\xd8", b"\xff\xd8\xff", b"<html></html>"])
def test_what_is_no_picture_is_undecodable(data):
    assert admit(data) == "undecodable"


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("side", [80, 640])
def test_a_truncated_jpeg_is_undecodable(mode, progressive, side):
    data = encoded(picture(side, side, mode), progressive=progressive)
    for share in (0.01, 0.3, 0.6, 0.9):
        assert admit(data[: int(len(data) * share)]) == "undecodable"


def test_a_picture_of_absurd_size_is_refused_unread():
    data = bytearray(encoded(picture(32, 32)))
    at = data.index(b"\xff\xc0")  # the frame header: height and width stand 5 bytes on
    data[at + 5 : at + 9] = b"\xff\xdc\xff\xdc"
    assert admit(bytes(data)) == "undecodable"


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_no_damage_makes_it_raise(mode):
    data = encoded(picture(48, 48, mode), progressive=mode == "L")
    rng = np.random.default_rng(0)
    outcomes = set()
    for i in range(250):
        array = np.frombuffer(data, np.uint8).copy()
        # Every other one is hit in its headers, where most of the ways to go wrong are.
        at = rng.integers(2, len(array) if i % 2 else 160, rng.integers(1, 5))
        array[at] = rng.integers(0, 256, at.size)
        kept = array.tobytes()[: rng.integers(2, len(data) + 1) if i % 5 == 0 else None]
        admitted = admit(kept)
        if isinstance(admitted, bytes):
            assert opened(admitted).mode == "RGB"
            admitted = "admitted"
        outcomes.add(admitted)
    assert {"admitted", "undecodable"} <= outcomes <= {"admitted", "undecodable", "too_small"}
