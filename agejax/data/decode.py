"""JPEG bytes -> uint8 pixels, the same way for training, evaluation and prediction."""

import io
import math

import cv2
import numpy as np
import simplejpeg
from PIL import Image

MAX_SIDE = 512  # pixels; what is larger is stored, and seen, scaled down to it
PIXELS_VERSION = "1"  # to be raised when `decode` gives other pixels than before
_MAX_PIXELS = 64_000_000  # larger than any photograph: a decompression bomb is refused unread
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
    try:
        height, width, colour, _ = simplejpeg.decode_jpeg_header(data, strict=True)
    except ValueError as error:
        raise BadImage(f"not a readable JPEG ({error})") from error
    if colour in ("Gray", "CMYK", "YCCK") or max(height, width) > MAX_SIDE:
        return _reencoded(data, ("JPEG",))
    return data


def decode(
    data: bytes, size: int, out: np.ndarray | None = None, *, crop: float = 0.0
) -> np.ndarray:
    """A whole image as uint8 [size, size, 3], RGB; one that is not square is squeezed.

    The pixels are the same on every machine: libjpeg-turbo's, by bilinear interpolation in fixed
    point.

    Args:
      data: a colour JPEG, as `canonical` gives it.
      size: pixels a side.
      out: where to put it, uint8 [size, size, 3], or None for an array of its own.
      crop: the share of its sides that is cut off at each edge first, below 0.5; where negative, it
        is added there instead, by repeating the border.

    Raises:
      BadImage: it is not, or is damaged.
    """
    try:
        # The decoder scales down by eighths for next to nothing; the filter does the rest.
        least = math.ceil(size / (1 - 2 * crop))
        pixels = simplejpeg.decode_jpeg(data, min_height=least, min_width=least, strict=True)
    except ValueError as error:
        raise BadImage(f"not a whole JPEG ({error})") from error
    if crop:
        pixels = _cropped(pixels, crop)
    # Where the sizes agree, this copies.
    return cv2.resize(pixels, (size, size), dst=out, interpolation=cv2.INTER_LINEAR_EXACT)


def _cropped(pixels: np.ndarray, crop: float) -> np.ndarray:
    dy, dx = (round(abs(crop) * side) for side in pixels.shape[:2])
    if crop < 0:
        return cv2.copyMakeBorder(pixels, dy, dy, dx, dx, cv2.BORDER_REPLICATE)
    h, w = pixels.shape[:2]
    dy, dx = min(dy, (h - 1) // 2), min(dx, (w - 1) // 2)  # a pixel is left
    return np.ascontiguousarray(pixels[dy : h - dy, dx : w - dx])


def verify(data: bytes) -> tuple[int, int]:
    """Decodes a colour JPEG completely, at its full size; its height and width in pixels.

    Raises:
      BadImage: it is not one, or is damaged.
    """
    try:
        height, width, _ = simplejpeg.decode_jpeg(data, strict=True).shape
    except ValueError as error:
        raise BadImage(f"not a whole JPEG ({error})") from error
    return height, width


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
