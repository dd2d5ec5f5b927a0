import io

import numpy as np
import pytest
from PIL import Image

from agejax.data.decode import BadImage, canonical, decode, shape_of, verify


def picture(size=(100, 80), mode="RGB"):
    rng = np.random.default_rng(0)
    small = Image.fromarray(rng.integers(0, 256, (8, 8, 3), np.uint8))
    return small.resize(size, Image.Resampling.BICUBIC).convert(mode)


def encoded(image, form="JPEG", **options):
    out = io.BytesIO()
    image.save(out, form, **options)
    return out.getvalue()


@pytest.mark.parametrize("size", [16, 64, 100, 224])
def test_any_size_is_near_a_plain_resize(size):
    jpeg = encoded(picture(), quality=95)
    plain = Image.open(io.BytesIO(jpeg)).resize((size, size), Image.Resampling.BILINEAR)
    ours = decode(jpeg, size)
    assert ours.shape == (size, size, 3)
    assert ours.dtype == np.uint8
    assert np.abs(ours.astype(int) - np.asarray(plain)).mean() < 4


def test_plain_jpegs_pass_byte_for_byte():
    jpeg = encoded(picture((512, 300)))
    assert canonical(jpeg) == jpeg


@pytest.mark.parametrize(
    ("mode", "form"),
    [
        ("L", "JPEG"),
        ("CMYK", "JPEG"),
        ("RGB", "PNG"),
        ("L", "PNG"),
        ("RGBA", "PNG"),
        ("RGB", "WEBP"),
    ],
)
def test_all_else_becomes_rgb_jpeg(mode, form):
    stored = Image.open(io.BytesIO(canonical(encoded(picture(mode=mode), form))))
    assert (stored.format, stored.mode, stored.size) == ("JPEG", "RGB", (100, 80))


def test_large_images_are_scaled_down_and_keep_their_shape():
    stored = Image.open(io.BytesIO(canonical(encoded(picture((1400, 700))))))
    assert stored.size == (512, 256)


def test_colours_survive():
    red = decode(canonical(encoded(Image.new("CMYK", (32, 32), (0, 255, 255, 0)))), 32)
    assert red[..., 0].mean() > 200
    assert red[..., 1:].mean() < 60


@pytest.mark.parametrize("data", [b"", b"\xff\xd8", b"GIF89a", b"<html>", bytes(1000)])
def test_what_is_no_image_is_told(data):
    with pytest.raises(BadImage):
        decode(canonical(data), 32)


@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_truncation_is_always_noticed(mode):
    jpeg = encoded(picture(mode=mode))
    for cut in range(2, len(jpeg) - 2, 97):
        with pytest.raises(BadImage):
            decode(canonical(jpeg[:cut]), 32)


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"restart_marker_blocks": 4}])
def test_damage_is_noticed_without_the_colours(options):
    """`verify` says of any bytes what decoding all channels does."""
    rng, jpeg = np.random.default_rng(0), encoded(picture(), **options)
    verdicts = []
    for _ in range(300):
        damaged = bytearray(jpeg)
        for at in rng.integers(len(jpeg), size=rng.integers(1, 4)):
            damaged[at] = rng.integers(256)
        pair = [readable(verify, bytes(damaged)), readable(all_channels, bytes(damaged))]
        assert pair[0] == pair[1]
        verdicts.append(pair[0])
    assert 20 < sum(verdicts) < 280


def readable(read, data):
    try:
        read(canonical(data))
    except BadImage:
        return False
    return True


def all_channels(jpeg):
    return decode(jpeg, max(shape_of(jpeg)))


def test_a_decompression_bomb_is_refused():
    with pytest.raises(BadImage, match="pixels"):
        canonical(encoded(Image.new("L", (20_000, 20_000)), "PNG"))
