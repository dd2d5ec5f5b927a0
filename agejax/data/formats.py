"""Image files of all supported formats, converted to RGB pixels: the only such conversion.

Only the formats listed here are opened, each by its own reader. Other formats that Pillow supports,
such as EPS, which starts Ghostscript, are rejected by their first bytes. Of several frames or pages
the first is read. Pixels are assumed to be sRGB and colour profiles are ignored: JPEGs, which make
up the data sets, are stored unchanged.
"""

import contextlib
import ctypes
import functools
import importlib
import io
import re

import numpy as np
from PIL import Image

from agejax.data.exif import orientation, upright
from agejax.data.image_chunks import too_many_chunks
from agejax.utils.quiet import no_warnings

FORMATS = "JPEG, PNG, WebP, GIF, BMP, TIFF, AVIF or HEIC"
HEAD = 32  # bytes at the start of a file that identify its format
# Individual readers: `Image.open` warns of large images, which are to be rejected in one line.
_READERS = {
    "JPEG": ("PIL.JpegImagePlugin", "JpegImageFile"),
    "PNG": ("PIL.PngImagePlugin", "PngImageFile"),
    "WebP": ("PIL.WebPImagePlugin", "WebPImageFile"),
    "GIF": ("PIL.GifImagePlugin", "GifImageFile"),
    "BMP": ("PIL.BmpImagePlugin", "BmpImageFile"),
    "TIFF": ("PIL.TiffImagePlugin", "TiffImageFile"),
    "AVIF": ("PIL.AvifImagePlugin", "AvifImageFile"),
    "HEIC": ("pillow_heif", "HeifImageFile"),
}
_MAGIC = {
    "JPEG": rb"\xff\xd8",
    "PNG": rb"\x89PNG\r\n\x1a\n",
    "WebP": rb"RIFF....WEBP",
    "GIF": rb"GIF8[79]a",
    "BMP": rb"BM.{12}[\x0c\x10\x28\x34\x38\x40\x6c\x7c]\0\0\0",  # with its second header
    "TIFF": rb"II\*\0|MM\0\*",
    "AVIF": rb".{4}ftyp(?:avi[fs]|(?:mif1|msf1).{4}(?:.{4})*?avi[fs])",
    "HEIC": rb".{4}ftyp(?:hei[cxms]|hev[cxms]|mif1|msf1)",
}
_PATTERNS = {name: re.compile(magic, re.DOTALL) for name, magic in _MAGIC.items()}
_SIXTEEN = ("I;16", "I;16L", "I;16B", "I;16N")
_EIGHT = {"1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX"}
_EIGHT |= {"CMYK", "YCbCr", "LAB", "HSV"}
_PHOTOMETRIC, _BITS, _SUBFILE, _DNG = 262, 258, 254, 50706  # tags of TIFF 6.0, and of raw files
_MAX_BLOCKS = 2000  # of metadata in a GIF; half a MB
_DAMAGED = f"not a whole {FORMATS} image"
_no_warnings = no_warnings(module=r"PIL\.")  # of invalid metadata, which is not used


class BadImage(ValueError):
    """The bytes are not an image that can be read completely; the message says why."""


def format_of(head: bytes) -> str | None:
    """The format, such as "PNG", of a file with these first bytes; None if it is not supported."""
    found = (name for name, pattern in _PATTERNS.items() if pattern.match(head[:HEAD]))
    return next(found, None)


def header(data: bytes) -> Image.Image:
    """The image with only its header read.

    Raises:
      BadImage: its format is not supported, or its header is damaged.
    """
    name = format_of(data)
    if name is None:
        raise BadImage(f"not a {FORMATS} image" if data else "an empty file")
    try:
        reader = getattr(importlib.import_module(_READERS[name][0]), _READERS[name][1])
    except ImportError as error:
        needs = f"{name} images need the extra 'heic': pip install 'agejax[heic]'"
        raise BadImage(needs) from error
    if too_many_chunks(data):
        raise BadImage("an image of too many chunks")
    if name == "TIFF":
        _silence_libtiff()
    if name == "GIF" and _blocks_before_pixels(data) > _MAX_BLOCKS:
        raise BadImage(f"a GIF of more than {_MAX_BLOCKS:,} blocks of metadata")
    try:
        with _no_warnings():
            image = reader(io.BytesIO(data))
        raw = name == "TIFF" and (image.tag_v2.get(_SUBFILE, 0) & 1 or _DNG in image.tag_v2)
    except Exception as error:  # decoders raise many kinds of errors on damaged bytes
        raise BadImage(_DAMAGED) from error
    if raw:
        raise BadImage("a camera's raw file, or a preview; save it as JPEG or as plain TIFF")
    return image


def _blocks_before_pixels(data: bytes) -> int:
    """The number of metadata blocks before a GIF's first frame, up to the limit.

    Pillow reads them one by one, which takes many seconds for a few MB.
    """
    flags = data[10] if len(data) > 10 else 0
    at = 13 + (3 << (flags & 7) + 1 if flags & 0x80 else 0)
    blocks = 0
    while data[at : at + 1] == b"!" and blocks <= _MAX_BLOCKS:
        at += 2
        while at < len(data) and data[at] and blocks <= _MAX_BLOCKS:
            at += 1 + data[at]
            blocks += 1
        at += 1
        blocks += 1
    return blocks


@functools.cache
def _silence_libtiff() -> None:
    """Turns off libtiff's own messages about damage; Pillow raises for it."""
    with contextlib.suppress(OSError, AttributeError):  # another build of Pillow
        silence = ctypes.CDLL(Image.core.__file__).TIFFSetErrorHandler
        silence.argtypes, silence.restype = [ctypes.c_void_p], ctypes.c_void_p
        silence(None)


def shape_of(image: Image.Image) -> tuple[int, int]:
    """Height and width, in pixels, after turning upright."""
    turned = orientation(image.info.get("exif") or b"")
    return (image.width, image.height) if turned >= 5 else (image.height, image.width)


def rgb(image: Image.Image) -> Image.Image:
    """A Pillow image of any mode -> upright, in mode "RGB".

    16 bits are scaled to 8; transparent pixels are put on white.

    Raises:
      BadImage: it is damaged, or its mode does not define which value is white.
    """
    if image.mode not in (*_EIGHT, *_SIXTEEN):
        raise BadImage(
            f"pixels of 32 bits (mode {image.mode}) do not define which value is white; save with "
            f"8 or 16 bits a channel"
        )
    try:
        turned = orientation(image.info.get("exif") or b"")
        with _no_warnings():
            plain = _on_white(image) if image.mode in _EIGHT else _scaled(image)
    except Exception as error:  # decoders raise many kinds of errors on damaged bytes
        raise BadImage(_DAMAGED) from error
    return plain if turned == 1 else Image.fromarray(upright(np.asarray(plain), turned))


def _on_white(image: Image.Image) -> Image.Image:
    if not image.has_transparency_data:
        return image.convert("RGB")
    if "transparency" in image.info:
        image = _with_key_of_eight_bits(image)
    whole = {"La": "LA", "RGBa": "RGBA"}.get(image.mode, image.mode)  # without premultiplied alpha
    seen = image if image.mode == "RGBA" else image.convert(whole).convert("RGBA")
    white = Image.new("RGB", seen.size, "white")
    white.paste(seen, (0, 0), seen)
    return white


def _with_key_of_eight_bits(image: Image.Image) -> Image.Image:
    """Scales a PNG's transparent colour; Pillow scales the pixels but not this key."""
    key, tiles = image.info["transparency"], getattr(image, "tile", None)
    depth = str(tiles[0][3]) if tiles else ""
    image.load()
    if isinstance(key, int) and image.mode == "L":
        factor = {"L;2": 85, "L;4": 17}.get(depth, 1)
        image.info["transparency"] = key * factor & 255
    elif isinstance(key, tuple):
        image.info["transparency"] = tuple(v >> 8 if "16" in depth else v & 255 for v in key)
    return image


def _scaled(image: Image.Image) -> Image.Image:
    """16-bit grey -> RGB; Pillow itself would clip at 255."""
    tags = getattr(image, "tag_v2", {})
    bits = int(np.min(tags.get(_BITS, 16)))
    image.load()
    pixels = np.asarray(image).astype(np.uint16, copy=False)  # in native byte order
    key = image.info.get("transparency")
    if bits < 16:
        pixels = np.minimum(pixels, (1 << bits) - 1)
    grey = (pixels >> bits - 8).astype(np.uint8)
    if tags.get(_PHOTOMETRIC) == 0:  # white is zero
        grey = 255 - grey
    if isinstance(key, int):
        grey[pixels == key] = 255
    return Image.fromarray(grey).convert("RGB")
