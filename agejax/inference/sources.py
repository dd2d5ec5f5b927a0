"""The types accepted as an image or as several images."""

import io
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as PillowImage

from agejax.data.decode import BadImage, as_pixels
from agejax.data.image_files import MAX_BYTES, SUFFIXES, Found, find_images
from agejax.errors import UserError
from agejax.utils.printable import printable

Image = str | os.PathLike[str] | bytes | np.ndarray | UserError

_KINDS = (
    "a path, an encoded image (bytes, or an open file), a Pillow image or an array, or an iterable "
    "of these"
)


def images_of(images: Any) -> Iterator[Image]:
    """Yields one image after the other; a folder yields the images in it, sorted.

    An image that cannot be read, or a folder without images, yields a `UserError` instead.

    Args:
      images: a path; an encoded image, as bytes, bytearray, memoryview or a binary file; a Pillow
        image; a uint8 array [h, w, 3], [h, w] or [n, h, w, 3]; or an iterable of these. Folders are
        searched recursively.

    Raises:
      TypeError: `images` has another type.
    """
    if isinstance(images, str | os.PathLike):
        path = Path(os.fsdecode(images))
        yield from in_folder(path, find_images(path)) if os.path.isdir(path) else [images]
    elif isinstance(images, bytes | UserError):
        yield images
    elif isinstance(images, bytearray | memoryview):
        yield bytes(images)
    elif isinstance(images, PillowImage.Image):
        yield _or_error(lambda: as_pixels(images))
    elif callable(getattr(images, "read", None)):
        yield _or_error(lambda: _read(images))
    elif hasattr(images, "__array__"):
        array = np.asarray(images)
        if array.dtype.kind in "OSU":  # e.g. a column of paths
            yield from images_of(array.ravel().tolist())
        else:
            yield from [array] if array.ndim < 4 else array
    elif isinstance(images, Iterable) and not isinstance(images, Mapping):
        for image in images:
            yield from images_of(image)
    else:
        raise TypeError(f"an image is {type(images).__name__}; it can be {_KINDS}")


def in_folder(folder: Path, found: Found) -> list[Image]:
    """The images found in a folder, then the errors."""
    if not found.images and not found.errors:
        others = f", but {skipped}" if (skipped := found.left_out()) else ""
        found.errors.append(
            UserError(
                f"{printable(str(folder))}: no image ({', '.join(SUFFIXES)}) in this folder{others}"
            )
        )
    return [*found.images, *found.errors]


def _or_error(read: Any) -> bytes | np.ndarray | UserError:
    """Reads immediately: the caller may close the file before a thread would read it."""
    try:
        return read()
    except (BadImage, OSError, ValueError) as error:  # ValueError: the file is closed
        return UserError(str(error))


def _read(file: Any) -> bytes:
    data = "" if isinstance(file, io.TextIOBase) else file.read(MAX_BYTES + 1)
    if isinstance(data, str):
        raise TypeError("an image is a file opened in text mode; open it with mode 'rb'")
    return bytes(data)
