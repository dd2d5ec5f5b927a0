"""JPEG bytes -> uint8 pixels, identical in training, evaluation and prediction."""

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

MAX_SIDE = 512  # pixels; larger images are scaled down to it
PIXELS_VERSION = "3"  # raise this when the output of `canonical` or `decode` changes
MAX_PIXELS = 64_000_000  # larger than any photograph: decompression bombs are rejected unread
_MAX_SCANS = 100  # a progressive JPEG has about ten; thousands in a small file take minutes


def canonical(data: bytes, max_pixels: int = MAX_PIXELS) -> bytes:
    """The JPEG that represents an image in the data set.

    Greyscale, CMYK and other formats (PNG, WebP and those that `formats` lists) become RGB JPEGs,
    images over 512 pixels a side are scaled down to it, and images with an EXIF orientation are
    turned upright. Any other JPEG is returned byte for byte, with only its header read.

    Raises:
      BadImage: it has none of these formats, or is damaged where it had to be read, or has more
        than `max_pixels`.
    """
    if data[:2] != b"\xff\xd8":
        return _reencoded(data, max_pixels)
    height, width, colour = _jpeg_header(data)
    _check_pixels(height, width, max_pixels)
    data = _of_few_scans(data)
    convert = colour in ("Gray", "CMYK", "YCCK") or max(height, width) > MAX_SIDE
    return _reencoded(data, max_pixels) if convert or jpeg_orientation(data) > 1 else data


def decode(
    data: bytes, size: int, out: np.ndarray | None = None, *, crop: float = 0.0
) -> np.ndarray:
    """A whole image as uint8 [size, size, 3], RGB; one that is not square is stretched.

    The pixels are the same on every machine: libjpeg-turbo's, by bilinear interpolation in fixed
    point.

    Args:
      data: a colour JPEG from `canonical`.
      size: side in pixels.
      out: the output array, uint8 [size, size, 3], or None for a new one.
      crop: the fraction of the side to cut off at each edge first, below 0.5; a negative value pads
        each edge instead, by repeating the border.

    Raises:
      BadImage: it is not a JPEG, or is damaged.
    """
    # Each call out of Python makes the loader's threads wait for one another: there are only two.
    try:
        # The decoder scales down by eighths almost for free; the filter does the rest.
        least = math.ceil(size / (1 - 2 * crop))
        pixels = simplejpeg.decode_jpeg(data, min_height=least, min_width=least, strict=True)
    except ValueError as error:
        raise BadImage(f"not a whole JPEG ({error})") from error
    if crop:
        pixels = _cropped(pixels, crop)
    return _resized(pixels, size, out)


def squeezed(pixels: np.ndarray, size: int) -> np.ndarray:
    """uint8 [h, w, 3] pixels -> uint8 [size, size, 3], about as `decode` gives a JPEG of them.

    When shrinking to less than half, areas are averaged first, as the JPEG decoder does.
    """
    height, width = (max(size, side // max(side // size, 1)) for side in pixels.shape[:2])
    if (height, width) != pixels.shape[:2] and min(pixels.shape[:2]) >= size:
        pixels = cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA)
    return _resized(np.ascontiguousarray(pixels), size)


def grey(pixels: np.ndarray, side: int) -> np.ndarray:
    """uint8 [h, w, 3] pixels -> uint8 [side, side], the mean brightness of each area."""
    whole = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    return cv2.resize(whole, (side, side), interpolation=cv2.INTER_AREA)


def shape_of(data: bytes) -> tuple[int, int]:
    """Height and width, in pixels, of an image turned upright; only its header is read.

    Raises:
      BadImage: it is not an image in a supported format.
    """
    if data[:2] == b"\xff\xd8":
        height, width, _ = _jpeg_header(data)
        return (width, height) if jpeg_orientation(data) >= 5 else (height, width)
    return formats.shape_of(formats.header(data))


def photo(data: bytes, side: int, max_pixels: int = MAX_PIXELS) -> np.ndarray:
    """An encoded image as uint8 [h, w, 3], RGB, upright, scaled to about `side` pixels.

    A longer side of more than `side` pixels is reduced to between `side` and twice that for a JPEG,
    whose decoder scales by eighths, and to `side` for other formats. Nothing is enlarged.

    Raises:
      BadImage: its format is not supported, or it is damaged, or it has more than `max_pixels`.
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
    """A Pillow image of any mode -> uint8 [h, w, 3], RGB, upright.

    Raises:
      BadImage: it is damaged, or it has too many pixels or 32-bit ones.
    """
    return np.asarray(_rgb(image, max_pixels))


def _cropped(pixels: np.ndarray, crop: float) -> np.ndarray:
    dy, dx = (round(abs(crop) * side) for side in pixels.shape[:2])
    if crop < 0:
        return cv2.copyMakeBorder(pixels, dy, dy, dx, dx, cv2.BORDER_REPLICATE)
    h, w = pixels.shape[:2]
    dy, dx = min(dy, (h - 1) // 2), min(dx, (w - 1) // 2)  # at least one pixel remains
    return np.ascontiguousarray(pixels[dy : h - dy, dx : w - dx])


def verify(data: bytes) -> tuple[int, int]:
    """Reads a JPEG from `canonical` to its end and returns its height and width in pixels.

    Raises:
      BadImage: it is damaged.
    """
    try:
        # Damage shows in the entropy-coded data, which interleaves all channels; computing the
        # colours would take as long again.
        height, width, _ = simplejpeg.decode_jpeg(data, "GRAY", strict=True).shape
    except ValueError as error:
        raise BadImage(f"not a whole JPEG ({error})") from error
    return height, width


def _resized(pixels: np.ndarray, size: int, out: np.ndarray | None = None) -> np.ndarray:
    # With equal sizes this copies.
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
    """The JPEG; trailing data is cut off if its scans could not be counted otherwise."""
    if data.count(b"\xff\xda") <= _MAX_SCANS:  # a fast check that most files pass
        return data
    scans, end = scans_and_end(data)
    if scans > _MAX_SCANS:
        raise BadImage(f"a JPEG of more than {_MAX_SCANS} scans")
    return data[:end]


def _check_pixels(height: int, width: int, most: int) -> None:
    if height * width > most:
        raise BadImage(
            f"{width} x {height} pixels are too many; the limit is {most / 1e6:,.0f} million"
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
