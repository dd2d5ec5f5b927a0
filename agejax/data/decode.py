"""JPEG bytes -> uint8 pixels, the same way for training, evaluation and prediction."""

import io

import cv2
import numpy as np
import simplejpeg
from PIL import Image

MAX_SIDE = 512  # pixels; what is larger is stored, and seen, scaled down to it
PIXELS_VERSION = "1"  # to be raised when `decode` gives other pixels than before
_MAX_PIXELS = 64_000_000  # larger than any photograph: a decompression bomb is refused unread
_MAX_SCANS = 100  # of a progressive JPEG, which has a dozen: each costs a pass over all pixels
_OTHER_FORMATS = ("PNG", "WEBP")


class BadImage(ValueError):
    """The bytes are no image that can be read whole; says why."""


def canonical(data: bytes) -> bytes:
    """The JPEG that stands for an image, as the data set stores it.

    Greyscale, CMYK and other formats (PNG, WebP) become RGB JPEGs, and what is over 512 pixels a
    side is scaled down to it; every other JPEG passes byte for byte, with only its header read.

    Raises:
      BadImage: it is none of these, or damaged where that had to be read.
    """
    if data[:2] != b"\xff\xd8":
        return _reencoded(data, _OTHER_FORMATS)
    height, width, colour = _check_cost(data)
    if colour in ("Gray", "CMYK", "YCCK") or max(height, width) > MAX_SIDE:
        return _reencoded(data, ("JPEG",))
    return data


def decode(data: bytes, size: int, out: np.ndarray | None = None) -> np.ndarray:
    """A whole image as uint8 [size, size, 3], RGB; one that is not square is squeezed.

    The pixels are the same on every machine: libjpeg-turbo's, by bilinear interpolation in fixed
    point.

    Args:
      data: a colour JPEG, as `canonical` gives it.
      size: pixels a side.
      out: where to put it, uint8 [size, size, 3], or None for an array of its own.

    Raises:
      BadImage: it is not, or is damaged.
    """
    _check_cost(data)
    try:
        # The decoder scales down by eighths for next to nothing; the filter does the rest.
        pixels = simplejpeg.decode_jpeg(data, min_height=size, min_width=size, strict=True)
    except ValueError as error:
        raise BadImage(f"not a whole JPEG ({error})") from error
    # Where the sizes agree, this copies.
    return cv2.resize(pixels, (size, size), dst=out, interpolation=cv2.INTER_LINEAR_EXACT)


def verify(data: bytes) -> tuple[int, int]:
    """Decodes a colour JPEG completely, at its full size; its height and width in pixels.

    Raises:
      BadImage: it is not one, or is damaged.
    """
    _check_cost(data)
    try:
        height, width, _ = simplejpeg.decode_jpeg(data, strict=True).shape
    except ValueError as error:
        raise BadImage(f"not a whole JPEG ({error})") from error
    return height, width


def _check_cost(data: bytes) -> tuple[int, int, str]:
    """Height, width and colours of a JPEG, from its header; refuses one made to exhaust us."""
    try:
        height, width, colour, _ = simplejpeg.decode_jpeg_header(data, strict=True)
    except ValueError as error:
        raise BadImage(f"not a readable JPEG ({error})") from error
    if height * width > _MAX_PIXELS:
        raise BadImage(f"{width} x {height} pixels are too many")
    if data.count(b"\xff\xda") > _MAX_SCANS:
        raise BadImage("a JPEG of too many scans")
    return height, width, colour


def _reencoded(data: bytes, formats: tuple[str, ...]) -> bytes:
    try:
        image = Image.open(io.BytesIO(data), formats=formats)
        if image.width * image.height > _MAX_PIXELS:
            raise BadImage(f"{image.width} x {image.height} pixels are too many")
        rgb = image.convert("RGB")
    except Image.DecompressionBombError as error:
        raise BadImage("too many pixels") from error
    except (OSError, SyntaxError, ValueError) as error:
        raise BadImage("no whole JPEG, PNG or WebP image") from error
    rgb.thumbnail((MAX_SIDE, MAX_SIDE), Image.Resampling.LANCZOS)
    out = io.BytesIO()
    rgb.save(out, "JPEG", quality=95)
    return out.getvalue()
