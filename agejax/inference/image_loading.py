"""Loads images of any kind as the face crops that a model takes as input."""

import dataclasses
import os
from pathlib import Path

import numpy as np

from agejax.data.decode import (
    MAX_PIXELS,
    MAX_SIDE,
    BadImage,
    canonical,
    decode,
    photo,
    shape_of,
    squeezed,
)
from agejax.data.face_detection import Box, Detector
from agejax.data.image_files import MAX_BYTES, read_whole
from agejax.errors import UserError
from agejax.inference.face_crop import crop
from agejax.inference.sources import Image
from agejax.utils.printable import printable

PHOTO_SIDE = 2048  # pixels of the longer side to which a photo is reduced before detection
_MAX_ASPECT = 1.25  # of a crop: the longer side over the shorter one


@dataclasses.dataclass(frozen=True)
class Opened:
    """A loaded image.

    Attributes:
      path: the file, or "".
      crops: uint8 [n, size, size, 3], one for each face found, or the image itself if it is a crop.
      boxes: the position of each crop; None if the crop is the whole image.
      shape: the upright image's height and width; None if it could not be read.
      error: why it could not be read, else None.
    """

    path: str
    crops: np.ndarray
    boxes: tuple[Box | None, ...] = ()
    shape: tuple[int, int] | None = None
    error: UserError | None = None


class Opener:
    """Loads images and detects the faces in photos. Thread-safe."""

    def __init__(
        self,
        size: int,
        margin: float,
        photos: bool | None = None,
        max_pixels: int = MAX_PIXELS,
    ):
        """Sets the size of the crops and how images are interpreted.

        Args:
          size: side of the crops in pixels.
          margin: see `agejax.inference.face_crop.crop`.
          photos: True if all images are photos, False if all are face crops; None decides for each
            image by `looks_like_crop`.
          max_pixels: larger images are rejected before they are decoded.

        Raises:
          UserError: `photos` is True and the extra `detect` is not installed.
        """
        self._size, self._margin = size, margin
        self._photos, self._max_pixels = photos, max_pixels
        self._detector = Detector() if photos else None

    def open(self, image: Image) -> Opened:
        """Loads an image; if it cannot be read, `error` is set in the result.

        Raises:
          ValueError: it is an array, and not uint8 [h, w, 3] or [h, w].
        """
        path = "" if isinstance(image, bytes | np.ndarray | UserError) else os.fsdecode(image)
        try:
            if isinstance(image, UserError):
                raise image
            if isinstance(image, np.ndarray):
                return self._array(_rgb(image))
            data = image if isinstance(image, bytes) else read_whole(Path(path))
            return self._encoded(path, data)
        except BadImage as error:
            why = f"{_named(path)}: {error}" if path else str(error)
        except OSError as error:
            why = f"{_named(path)}: {error.strerror or error}"
        except UserError as error:
            why = str(error)
        except MemoryError:
            why = f"{_named(path) or 'image'}: it needs more memory than there is"
        empty = np.zeros((0, self._size, self._size, 3), np.uint8)
        return Opened(path, empty, error=UserError(why))

    def _encoded(self, path: str, data: bytes) -> Opened:
        if len(data) > MAX_BYTES:
            raise BadImage(f"the image is larger than {MAX_BYTES // 2**20} MiB")
        shape = shape_of(data)
        if self._is_photo(path, shape):
            pixels = photo(data, PHOTO_SIDE, self._max_pixels)
            return self._faces(path, pixels, shape)
        pixels = decode(canonical(data, self._max_pixels), self._size)
        return Opened(path, pixels[None], (None,), shape)

    def _array(self, pixels: np.ndarray) -> Opened:
        shape = pixels.shape[0], pixels.shape[1]
        if self._is_photo("", shape):
            return self._faces("", pixels, shape)
        return Opened("", squeezed(pixels, self._size)[None], (None,), shape)

    def _is_photo(self, path: str, shape: tuple[int, int]) -> bool:
        if self._photos is not None:
            return self._photos
        if looks_like_crop(shape):
            return False
        if self._detector is None:
            try:
                self._detector = Detector()
            except UserError as error:
                raise UserError(
                    f"{_named(path) or 'image'}: with {shape[1]} x {shape[0]} pixels it is treated "
                    f"as a photo; {error}; or declare it a face crop (--crops, photos=false)"
                ) from error
        return True

    def _faces(self, path: str, pixels: np.ndarray, shape: tuple[int, int]) -> Opened:
        assert self._detector is not None
        boxes = self._detector.find(pixels)
        crops = [crop(pixels, box, self._margin, self._size) for box in boxes]
        stack = np.reshape(crops, (-1, self._size, self._size, 3)).astype(np.uint8)
        factor = max(shape) / max(pixels.shape[:2])
        return Opened(path, stack, tuple(box.scaled(factor) for box in boxes), shape)


def _named(path: str) -> str:
    """A path for a message, shortened in the middle if it is long."""
    path = printable(path)
    return path if len(path) <= 400 else f"{path[:150]}...{path[-150:]}"


def looks_like_crop(shape: tuple[int, int]) -> bool:
    """Whether an image of this height and width is treated as a face crop, not as a photo.

    It is if no side exceeds 512 pixels or 1.25 times the other side.
    """
    return max(shape) <= MAX_SIDE and max(shape) <= _MAX_ASPECT * min(shape)


def _rgb(pixels: np.ndarray) -> np.ndarray:
    if pixels.dtype != np.uint8:
        raise ValueError(f"an image is {pixels.dtype}, not uint8")
    if pixels.ndim == 2:
        pixels = np.repeat(pixels[..., None], 3, axis=-1)
    if pixels.ndim != 3 or pixels.shape[-1] != 3 or 0 in pixels.shape:
        raise ValueError(f"an image is {pixels.shape}, not [height, width, 3]")
    return pixels
