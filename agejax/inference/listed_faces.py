"""Cuts the faces of a published list out of its images, into a new folder."""

import io
import itertools
import math
import os
from pathlib import Path

from PIL import Image

from agejax.data.decode import BadImage, photo, squeezed
from agejax.data.face_alignment import turned, with_edges
from agejax.data.image_files import read_whole
from agejax.data.tables.parsing import BadRow
from agejax.data.tables.published_lists import Corners
from agejax.errors import UserError
from agejax.inference.face_crop import LEVEL
from agejax.utils.files import write_new

MARGIN = 0.4  # of IMDB-WIKI's crops, on each side of a face
_LARGEST = 512  # pixels a side of a crop; larger ones are reduced
_MOST = 1 << 14  # pixels a side of what is cut; a larger box is a mistake
_QUALITY = 95


class Cutter:
    """Writes a JPEG of each face, `IMAGE.jpg` or, for further ones of an image, `IMAGE-2.jpg`."""

    def __init__(self, folder: Path, margin: float):
        """Cuts into `folder`, with `margin`, a share of the face's side, on each side.

        Raises:
          UserError: the folder is not empty.
        """
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise UserError(f"{folder} is not empty; name a new folder with --images")
        self._folder, self._margin = folder, margin

    def __call__(self, image: Path, listed: str, corners: Corners) -> Path:
        """The file of a face's crop.

        Args:
          image: the image.
          listed: its path in the list, without "..".
          corners: x and y of the face's corners in pixels, from the upper left one clockwise.

        Raises:
          BadRow: the image cannot be read, or there can be no such face.
        """
        data = self._cut(image, corners)
        stem = Path(listed).with_suffix("")
        names = itertools.chain([f"{stem}.jpg"], (f"{stem}-{n}.jpg" for n in itertools.count(2)))
        file = next(file for name in names if not os.path.lexists(file := self._folder / name))
        try:
            write_new(file, data)
        except OSError as error:
            raise UserError(f"{file}: cannot be written ({error.strerror})") from error
        return file

    def _cut(self, image: Path, corners: Corners) -> bytes:
        x, y = sum(corners[0::2]) / 4, sum(corners[1::2]) / 4
        across = corners[2] - corners[0], corners[3] - corners[1]
        down = corners[6] - corners[0], corners[7] - corners[1]
        face = max(math.hypot(*across), math.hypot(*down))
        if not (1 <= face <= _MOST and abs(x) <= _MOST and abs(y) <= _MOST):
            raise BadRow("a box that no face has", repr(corners))
        try:
            pixels = photo(read_whole(image), _MOST)
        except (BadImage, OSError) as error:
            raise BadRow("an image that cannot be read", f"{image} ({error})") from error
        side = max(1, round(face * (1 + 2 * self._margin)))
        size = min(side, _LARGEST)
        roll = math.degrees(math.atan2(across[1], across[0]))
        if abs(roll) >= LEVEL:
            crop = turned(pixels, (x, y), side, roll, size, with_edges)
        else:
            crop = squeezed(
                with_edges(pixels, round(x - side / 2), round(y - side / 2), side), size
            )
        out = io.BytesIO()
        Image.fromarray(crop).save(out, "JPEG", quality=_QUALITY)
        return out.getvalue()
