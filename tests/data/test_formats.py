"""Every kind of image file as the pixels that a person sees, or refused in a line."""

import io
import re
import struct
import sys
import zlib

import numpy as np
import pytest
from PIL import Image

from agejax.data.decode import BadImage, as_pixels, canonical, decode, photo, shape_of
from agejax.data.jpeg_end import scans_and_end
from tests.photos import backdrop, encoded
from tfds_imdb_wiki.images import admit

RAMP = np.tile(np.arange(256, dtype=np.uint8), (64, 1))
SIXTEEN = Image.fromarray(RAMP.astype(np.uint16) * 257)
CLEAR = Image.new("RGBA", (8, 8), (255, 0, 0, 0))  # a red that nobody sees


def near(data, expected, within=4):
    """Whether all ways of decoding give these pixels, uint8 [h, w, 3]."""
    assert np.abs(photo(data, 512).astype(int) - expected).max() <= within
    seen = photo(canonical(data), 512).astype(int)
    assert np.abs(seen - expected).mean() <= within
    return True


def grey(pixels):
    return np.repeat(pixels[..., None], 3, -1)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (encoded(SIXTEEN, "PNG"), RAMP),
        (encoded(SIXTEEN, "TIFF"), RAMP),
        (encoded(SIXTEEN, "TIFF", compression="tiff_lzw"), RAMP),
        (encoded(SIXTEEN.convert("I").convert("I;16B"), "TIFF"), RAMP),
        (encoded(SIXTEEN, "TIFF", tiffinfo={262: 0}), 255 - RAMP),  # white is zero
    ],
)
def test_sixteen_bits_of_grey_are_scaled(data, expected):
    assert near(data, grey(expected))


@pytest.mark.parametrize("form", ["PNG", "GIF", "BMP", "TIFF", "WEBP", "AVIF"])
@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "CMYK", "YCbCr", "LAB"])
def test_each_mode_keeps_its_colours(form, mode):
    grey = Image.fromarray(RAMP > 127 if mode == "1" else RAMP)
    image = grey.convert("RGB").quantize(16) if mode == "P" else grey.convert("RGB").convert(mode)
    plain = image.convert("RGB") if mode == "P" else grey.convert("RGB")
    try:
        data = encoded(image, form, **({"lossless": True} if form == "WEBP" else {}))
    except (OSError, KeyError, ValueError):
        pytest.skip(f"there is no {form} of mode {mode}")
    assert near(data, np.asarray(plain), within=6 if form == "AVIF" else 4)


@pytest.mark.parametrize(
    "data",
    [
        *(encoded(CLEAR, form) for form in ("PNG", "TIFF", "WEBP", "GIF")),
        encoded(CLEAR.convert("LA"), "PNG"),
        encoded(CLEAR.quantize(2), "PNG"),
        encoded(Image.new("L", (8, 8), 7), "PNG", transparency=7),
        encoded(Image.new("RGB", (8, 8), (1, 2, 3)), "PNG", transparency=(1, 2, 3)),
        encoded(Image.new("1", (8, 8), 0), "PNG", transparency=0),
        encoded(Image.new("I;16", (8, 8), 1000), "PNG", transparency=1000),
    ],
)
def test_what_is_transparent_is_white(data):
    assert (photo(data, 512) == 255).all()


def test_what_is_half_transparent_is_half_white():
    half = Image.new("RGBA", (8, 8), (101, 0, 0, 128))
    for image in (half, half.convert("RGBa")):
        np.testing.assert_allclose(as_pixels(image)[0, 0], [178, 127, 127], atol=1)


@pytest.mark.parametrize("depth", [2, 4])
def test_a_transparent_grey_of_few_bits_is_that_grey(depth):
    def chunk(kind, data):
        check = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + check

    size = struct.pack(">IIBBBBB", 8, 8, depth, 0, 0, 0, 0)
    rows = zlib.compress((b"\0" + bytes([0x55 if depth == 2 else 0x11]) * depth) * 8)  # all 1
    parts = [chunk(b"IHDR", size), chunk(b"tRNS", b"\0\1"), chunk(b"IDAT", rows)]
    data = b"\x89PNG\r\n\x1a\n" + b"".join(parts) + chunk(b"IEND", b"")
    assert (photo(data, 512) == 255).all()


@pytest.mark.parametrize("mode", ["I", "F"])
def test_thirty_two_bits_are_refused_in_a_line(mode):
    with pytest.raises(BadImage, match=f"mode {mode}"):
        photo(encoded(SIXTEEN.convert(mode), "TIFF"), 512)


@pytest.mark.parametrize("form", ["GIF", "PNG", "WEBP", "TIFF"])
def test_of_several_frames_the_first_is_read(form):
    frames = [Image.new("RGB", (32, 32), colour) for colour in ("red", "blue")]
    data = encoded(frames[0], form, save_all=True, append_images=frames[1:])
    np.testing.assert_allclose(photo(data, 64)[0, 0], [255, 0, 0], atol=3)


@pytest.mark.parametrize("form", ["TIFF", "AVIF"])
def test_a_turned_image_is_upright(form):
    exif = Image.Exif()
    exif[0x0112] = 6
    data = encoded(Image.fromarray(RAMP).convert("RGB"), form, exif=exif)
    assert shape_of(data) == (256, 64)
    seen = photo(data, 512)
    assert seen.shape == (256, 64, 3)
    assert seen[0].max() < 10
    assert seen[-1].min() > 245


@pytest.mark.parametrize(
    "data",
    [
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
        encoded(backdrop(20, 20), "PPM"),
        encoded(backdrop(20, 20), "ICO"),
        b"BMW.jpg, a list of paths and no picture",
    ],
)
def test_other_formats_are_refused_by_their_first_bytes(data):
    with pytest.raises(BadImage, match=r"not a JPEG, PNG, .* image"):
        shape_of(data)


def test_a_cameras_raw_file_is_not_taken_for_its_preview():
    with pytest.raises(BadImage, match="raw"):
        photo(encoded(backdrop(160, 120), "TIFF", tiffinfo={254: 1}), 512)


@pytest.mark.parametrize("form", ["GIF", "BMP", "TIFF"])
def test_large_images_are_refused_before_their_pixels_are_read(form):
    with pytest.raises(BadImage, match="the limit is 1 million"):
        photo(encoded(Image.new("1", (2000, 1000)), form), 512, max_pixels=1_000_000)


def test_a_gif_of_a_million_comments_is_refused_at_once():
    data = encoded(Image.new("P", (8, 8)), "GIF")
    pixels = data.index(b",", 13 + (3 << (data[10] & 7) + 1))
    comments = data[:pixels] + b"!\xfe\1x\0" * 10 + data[pixels:]
    assert photo(comments, 512).shape == (8, 8, 3)
    with pytest.raises(BadImage, match="2,000 blocks"):
        photo(data[:pixels] + b"!\xfe\1x\0" * 1_000_000 + data[pixels:], 512)
    with pytest.raises(BadImage, match="2,000 blocks"):
        photo(data[:pixels] + b"!\xfe" + b"\1x" * 1_000_000 + data[pixels:], 512)


def test_a_damaged_tiff_says_nothing_of_its_own(capfd):
    data = bytearray(encoded(backdrop(64, 64), "TIFF", compression="tiff_lzw"))
    data[8:200] = b"\xff" * 192
    with pytest.raises(BadImage):
        photo(bytes(data), 512)
    assert capfd.readouterr() == ("", "")


def test_heic_is_read_with_its_extra():
    heif = pytest.importorskip("pillow_heif", reason="needs the extra 'heic'")
    file = io.BytesIO()
    heif.from_pillow(Image.fromarray(RAMP).convert("RGB")).save(file, quality=95)
    assert near(file.getvalue(), grey(RAMP), within=12)


def test_heic_without_its_extra_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(BadImage, match=re.escape("pip install 'agejax[heic]'")):
        shape_of(b"\0\0\0\x1cftypheic\0\0\0\0mif1heic")


VIDEO = b"ftypmp42" + b"\xff\xda\x00\x08" * 5000 + bytes(range(256)) * 50


@pytest.mark.parametrize("size", [(80, 80), (900, 600)])
@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"restart_marker_blocks": 4}])
def test_a_photo_with_a_video_behind_it_is_the_photo(size, options):
    plain = encoded(backdrop(*size), **options)
    moving = plain + VIDEO
    assert scans_and_end(moving) == (10 if options.get("progressive") else 1, len(plain))
    np.testing.assert_array_equal(photo(moving, 512), photo(plain, 512))
    np.testing.assert_array_equal(decode(canonical(moving), 32), decode(canonical(plain), 32))
    assert admit(moving) == admit(plain)


def test_a_thumbnail_in_the_metadata_does_not_count():
    plain = encoded(backdrop(80, 80))
    note = b"\xff\xe2" + (2 + 2 * 200).to_bytes(2, "big") + b"\xff\xda" * 200
    np.testing.assert_array_equal(
        decode(canonical(plain[:2] + note + plain[2:]), 32), decode(plain, 32)
    )


@pytest.mark.parametrize("behind", [b"", VIDEO])
def test_a_jpeg_of_thousands_of_scans_is_refused(behind):
    plain = encoded(backdrop(80, 80), progressive=True)
    last = plain.rindex(b"\xff\xda")
    with pytest.raises(BadImage, match="more than 100 scans"):
        canonical(plain[:-2] + plain[last:-2] * 200 + plain[-2:] + behind)


def test_plain_jpegs_pass_byte_for_byte_with_what_is_behind_them():
    """So that what data sets stored before is stored the same again."""
    jpeg = encoded(backdrop(80, 80)) + b"a few bytes"
    assert canonical(jpeg) is jpeg
