"""Image files of every format that is read, as RGB pixels: the one place of that conversion.

Only the formats listed here are opened, each by its own reader: what else Pillow knows, such as
EPS, which starts Ghostscript, is refused by its first bytes. Of several frames or pages the first
is read. Pixels are taken for sRGB, whatever profile a file brings: JPEGs, which make up the data
sets, are stored as they are.
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
HEAD = 32  # bytes of a file that tell its format
# The readers by themselves: `Image.open` warns of large images, where one line shall refuse them.
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
    "BMP": rb"BM.{12}[\x0c\x10\x28\x34\x38\x40\x6c\x7c]\0\0\0",  # and its second header's size
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
_DAMAGED = f"no whole {FORMATS} image"
_no_warnings = no_warnings(module=r"PIL\.")  # of odd metadata, which nothing here reads


class BadImage(ValueError):
    """The bytes are no image that can be read whole; says why."""


def format_of(head: bytes) -> str | None:
    """The name of the format, such as "PNG", that a file of these first bytes is of."""
    found = (name for name, pattern in _PATTERNS.items() if pattern.match(head[:HEAD]))
    return next(found, None)


def header(data: bytes) -> Image.Image:
    """The image with its header read, and no more.

    Raises:
      BadImage: it is of no format that is read, or its header is damaged.
    """
    name = format_of(data)
    if name is None:
        raise BadImage(f"no {FORMATS} image" if data else "an empty file")
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
    except Exception as error:  # there is no end of what decoders raise on odd bytes
        raise BadImage(_DAMAGED) from error
    if raw:
        raise BadImage("a camera's raw file, or a preview; save it as JPEG or as plain TIFF")
    return image


def _blocks_before_pixels(data: bytes) -> int:
    """How many pieces of metadata stand before a GIF's first frame; counted no further than needed.

    Pillow reads them one by one: a few MB take it many seconds.
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
    """Of damage it prints lines of its own, where Pillow raises."""
    with contextlib.suppress(OSError, AttributeError):  # of a Pillow that was built otherwise
        silence = ctypes.CDLL(Image.core.__file__).TIFFSetErrorHandler
        silence.argtypes, silence.restype = [ctypes.c_void_p], ctypes.c_void_p
        silence(None)


def shape_of(image: Image.Image) -> tuple[int, int]:
    """Height and width, in pixels, as it should be seen."""
    turned = orientation(image.info.get("exif") or b"")
    return (image.width, image.height) if turned >= 5 else (image.height, image.width)


def rgb(image: Image.Image) -> Image.Image:
    """An image of Pillow's, of any mode, as it should be seen: upright, in mode "RGB".

    16 bits are scaled to 8; what is transparent stands on white.

    Raises:
      BadImage: it is damaged, or of a mode that does not say which number is white.
    """
    if image.mode not in (*_EIGHT, *_SIXTEEN):
        raise BadImage(
            f"pixels of 32 bits (mode {image.mode}) do not say which number is white; save it with "
            f"8 or 16 bits a channel"
        )
    try:
        turned = orientation(image.info.get("exif") or b"")
        with _no_warnings():
            plain = _on_white(image) if image.mode in _EIGHT else _scaled(image)
    except Exception as error:  # there is no end of what decoders raise on odd bytes
        raise BadImage(_DAMAGED) from error
    return plain if turned == 1 else Image.fromarray(upright(np.asarray(plain), turned))


def _on_white(image: Image.Image) -> Image.Image:
    if not image.has_transparency_data:
        return image.convert("RGB")
    if "transparency" in image.info:
        image = _with_key_of_eight_bits(image)
    whole = {"La": "LA", "RGBa": "RGBA"}.get(image.mode, image.mode)  # not premultiplied
    seen = image if image.mode == "RGBA" else image.convert(whole).convert("RGBA")
    white = Image.new("RGB", seen.size, "white")
    white.paste(seen, (0, 0), seen)
    return white


def _with_key_of_eight_bits(image: Image.Image) -> Image.Image:
    """With a PNG's transparent colour scaled as Pillow scales the pixels, and the key not."""
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
    """16 bits of grey -> RGB; Pillow itself clips them at 255."""
    tags = getattr(image, "tag_v2", {})
    bits = int(np.min(tags.get(_BITS, 16)))
    image.load()
    pixels = np.asarray(image).astype(np.uint16, copy=False)  # whatever its byte order
    key = image.info.get("transparency")
    if bits < 16:
        pixels = np.minimum(pixels, (1 << bits) - 1)
    grey = (pixels >> bits - 8).astype(np.uint8)
    if tags.get(_PHOTOMETRIC) == 0:  # white is zero
        grey = 255 - grey
    if isinstance(key, int):
        grey[pixels == key] = 255
    return Image.fromarray(grey).convert("RGB")
