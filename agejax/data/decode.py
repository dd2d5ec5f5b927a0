"""JPEG bytes -> uint8 pixels, the same way for training, evaluation and prediction."""

import io
import math

import cv2
import numpy as np
import simplejpeg
from PIL import Image

from agejax.data import formats
from agejax.data.exif import jpeg_orientation, upright
from agejax.data.formats import BadImage
from agejax.data.image_chunks import too_many_chunks
from agejax.data.jpeg_end import scans_and_end

MAX_SIDE = 512  # pixels; what is larger is stored, and seen, scaled down to it
PIXELS_VERSION = "3"  # to be raised when `canonical` or `decode` gives other pixels than before
MAX_PIXELS = 64_000_000  # larger than any photograph: a decompression bomb is refused unread
_MAX_SCANS = 100  # a progressive JPEG has about ten; thousands in a small file take minutes


def canonical(data: bytes, max_pixels: int = MAX_PIXELS) -> bytes:
    """The JPEG that stands for an image, as the data set stores it.

    Greyscale, CMYK and other formats (PNG, WebP and what `formats` lists) become RGB JPEGs, what is
    over 512 pixels a side is scaled down to it, and what EXIF notes as turned is turned upright;
    every other JPEG passes byte for byte, with only its header read.

    Raises:
      BadImage: it is none of these, or damaged where that had to be read, or has more than
        `max_pixels`.
    """
    if data[:2] != b"\xff\xd8":
        return _reencoded(data, max_pixels)
    height, width, colour = _jpeg_header(data)
    _check_pixels(height, width, max_pixels)
    data = _of_few_scans(data)
    odd = colour in ("Gray", "CMYK", "YCCK") or max(height, width) > MAX_SIDE
    return _reencoded(data, max_pixels) if odd or jpeg_orientation(data) > 1 else data


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
    # Each call out of Python costs the threads of a loader a wait for one another: there are two.
    try:
        # The decoder scales down by eighths for next to nothing; the filter does the rest.
        least = math.ceil(size / (1 - 2 * crop))
        pixels = simplejpeg.decode_jpeg(data, min_height=least, min_width=least, strict=True)
    except ValueError as error:
        raise BadImage(f"not a whole JPEG ({error})") from error
    if crop:
        pixels = _cropped(pixels, crop)
    return _resized(pixels, size, out)


def squeezed(pixels: np.ndarray, size: int) -> np.ndarray:
    """uint8 [h, w, 3] pixels -> uint8 [size, size, 3], about as `decode` gives a JPEG of them.

    Where it shrinks to less than half, areas are averaged first, as the JPEG's decoder does.
    """
    height, width = (max(size, side // max(side // size, 1)) for side in pixels.shape[:2])
    if (height, width) != pixels.shape[:2] and min(pixels.shape[:2]) >= size:
        pixels = cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA)
    return _resized(np.ascontiguousarray(pixels), size)


def shape_of(data: bytes) -> tuple[int, int]:
    """Height and width, in pixels, of an image as it should be seen; only its header is read.

    Raises:
      BadImage: it is no image of a format that is read.
    """
    if data[:2] == b"\xff\xd8":
        height, width, _ = _jpeg_header(data)
        return (width, height) if jpeg_orientation(data) >= 5 else (height, width)
    return formats.shape_of(formats.header(data))


def photo(data: bytes, side: int, max_pixels: int = MAX_PIXELS) -> np.ndarray:
    """An encoded image as uint8 [h, w, 3], RGB, upright, scaled to about `side` pixels.

    A longer side of over `side` pixels comes out at between that and twice as much from a JPEG,
    whose decoder scales by eighths, and at `side` from the others; nothing is made larger.

    Raises:
      BadImage: it is of no format that is read, or is damaged, or has more than `max_pixels`.
    """
    if data[:2] == b"\xff\xd8":
        height, width, colour = _jpeg_header(data)
        _check_pixels(height, width, max_pixels)
        data = _of_few_scans(data)
        if colour not in ("CMYK", "YCCK"):
            scale = min(1, side / max(height, width))
            least = {"min_height": int(height * scale), "min_width": int(width * scale)}
            try:
                pixels = simplejpeg.decode_jpeg(data, strict=True, **least)
            except ValueError as error:
                raise BadImage(f"not a whole JPEG ({error})") from error
            return upright(pixels, jpeg_orientation(data))
    image = _rgb(formats.header(data), max_pixels)
    image.thumbnail((side, side), Image.Resampling.LANCZOS)
    return np.asarray(image)


def as_pixels(image: Image.Image, max_pixels: int = MAX_PIXELS) -> np.ndarray:
    """An image of Pillow's, of any mode -> uint8 [h, w, 3], RGB, upright.

    Raises:
      BadImage: it is damaged, or its pixels are too many or of 32 bits.
    """
    return np.asarray(_rgb(image, max_pixels))


def _cropped(pixels: np.ndarray, crop: float) -> np.ndarray:
    dy, dx = (round(abs(crop) * side) for side in pixels.shape[:2])
    if crop < 0:
        return cv2.copyMakeBorder(pixels, dy, dy, dx, dx, cv2.BORDER_REPLICATE)
    h, w = pixels.shape[:2]
    dy, dx = min(dy, (h - 1) // 2), min(dx, (w - 1) // 2)  # a pixel is left
    return np.ascontiguousarray(pixels[dy : h - dy, dx : w - dx])


def verify(data: bytes) -> tuple[int, int]:
    """Reads a JPEG, as `canonical` gives it, to its end; its height and width in pixels.

    Raises:
      BadImage: it is damaged.
    """
    try:
        # Damage shows in the entropy-coded data, which holds all channels in turn; to compute the
        # colours takes as long again.
        height, width, _ = simplejpeg.decode_jpeg(data, "GRAY", strict=True).shape
    except ValueError as error:
        raise BadImage(f"not a whole JPEG ({error})") from error
    return height, width


def _resized(pixels: np.ndarray, size: int, out: np.ndarray | None = None) -> np.ndarray:
    # Where the sizes agree, this copies.
    return cv2.resize(pixels, (size, size), dst=out, interpolation=cv2.INTER_LINEAR_EXACT)


def _jpeg_header(data: bytes) -> tuple[int, int, str]:
    if too_many_chunks(data):
        raise BadImage("a JPEG of too many segments")
    try:
        height, width, colour, _ = simplejpeg.decode_jpeg_header(data, strict=True)
    except ValueError as error:
        raise BadImage(f"not a readable JPEG ({error})") from error
    return height, width, colour


def _of_few_scans(data: bytes) -> bytes:
    """The JPEG, without what stands behind it where its scans could only be counted so."""
    if data.count(b"\xff\xda") <= _MAX_SCANS:  # of all of it: quickly told, and true of most
        return data
    scans, end = scans_and_end(data)
    if scans > _MAX_SCANS:
        raise BadImage(f"a JPEG of more than {_MAX_SCANS} scans")
    return data[:end]


def _check_pixels(height: int, width: int, most: int) -> None:
    if height * width > most:
        raise BadImage(
            f"{width} x {height} pixels are too many; {most / 1e6:,.0f} million are read at most"
        )


def _rgb(image: Image.Image, max_pixels: int) -> Image.Image:
    _check_pixels(image.height, image.width, max_pixels)
    return formats.rgb(image)


def _reencoded(data: bytes, max_pixels: int) -> bytes:
    rgb = Image.fromarray(photo(data, MAX_SIDE, max_pixels))
    rgb.thumbnail((MAX_SIDE, MAX_SIDE), Image.Resampling.LANCZOS)
    out = io.BytesIO()
    rgb.save(out, "JPEG", quality=95)
    return out.getvalue()
