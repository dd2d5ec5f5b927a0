"""What the crops of a data set show beyond the face: photos are to be cut alike.

A model reads a face as its training crops showed it; with another margin it is years off, and
nothing tells. So the margin is measured, by the detector that finds the faces in photos.
"""

import dataclasses
import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from agejax.data.decode import BadImage, decode
from agejax.data.face_detection import Detector
from agejax.data.faces import Faces
from agejax.errors import UserError

USUAL = 0.4  # IMDB-WIKI's, for want of a better
LARGEST = 4.0
_LOOKED_AT = 200  # crops of a data set; one takes 8 ms
_SIDE = 96  # pixels to which they are scaled
_FEWEST = 20  # faces that a median is taken of
_SHARE = 1 / 3  # of the crops, at least, in which one face has to be found
_ALIKE = 0.25  # between the quartiles, at most: else there is not one margin


@dataclasses.dataclass(frozen=True)
class CropMargin:
    """A margin, and how it is known.

    Attributes:
      margin: what a crop shows beyond the face on each side, as a share of the face's longer side;
        0 or above. Where it is not known, IMDB-WIKI's.
      doubt: why it is not known; None where it was measured, or given.
      found: crops that it was measured on; 0 where it was not.
    """

    margin: float = USUAL
    doubt: str | None = None
    found: int = 0

    @classmethod
    def read(cls, saved: Any, where: str) -> "CropMargin":
        """Of what `dataclasses.asdict` made of one and JSON kept.

        Raises:
          UserError: it is none; `where` tells where it stands.
        """
        fields = {field.name for field in dataclasses.fields(cls)}
        if not isinstance(saved, Mapping) or saved.keys() != fields:
            raise UserError(f"{where}: its margin is odd ({str(saved)[:60]})")
        margin, doubt, found = saved["margin"], saved["doubt"], saved["found"]
        if not (
            type(margin) in (int, float)
            and 0 <= margin <= LARGEST
            and (doubt is None or isinstance(doubt, str))
            and type(found) is int
        ):
            raise UserError(f"{where}: its margin is odd ({str(saved)[:60]})")
        told = doubt and "".join(filter(str.isprintable, doubt))[:200]
        return cls(float(margin), told, found)

    def __str__(self) -> str:
        if self.doubt:
            return f"the margin of the training crops is not known, {self.doubt}"
        told = f", measured on {self.found}" if self.found else ""
        return f"margin of the training crops: {self.margin:.2f} of the face on each side{told}"


def of_config(given: float | None, chosen: float | None, kept: CropMargin | None) -> CropMargin:
    """The margin to cut photos with.

    Args:
      given: at the call, or None; goes before all else.
      chosen: the run's `config.data.margin`.
      kept: what training has noted; None in a checkpoint of before there was any. Its config says
        0.4 then where nobody chose a margin.

    Raises:
      UserError: one is out of range.
    """
    for margin in (given, chosen):
        if margin is not None and not 0 <= margin <= LARGEST:
            raise UserError(f"the margin is {margin}; it must be from 0 to {LARGEST:g}")
    if given is not None:
        return CropMargin(given)
    if chosen is not None and (kept is not None or chosen != USUAL):
        return CropMargin(chosen)
    return kept or CropMargin(doubt="as none were measured when this run was trained")


def measure(faces: Faces) -> CropMargin:
    """The margin of faces that are trained on, of up to 200 of them; the same at every call."""
    try:
        detector = Detector()
    except UserError as error:
        return CropMargin(doubt=f"as {error}")
    rows = np.unique(np.linspace(0, len(faces) - 1, min(_LOOKED_AT, len(faces))).astype(int))

    def crops() -> Iterable[np.ndarray]:
        for row in rows:
            [jpeg] = faces.read(faces.rows[[row]])
            try:
                yield decode(jpeg, _SIDE)
            except BadImage:  # which training tells of
                continue

    return summary(margins_of(detector, crops()), len(rows))


def summary(margins: list[float], looked_at: int) -> CropMargin:
    """The margin that a data set has, by those of its crops in which one face was found."""
    n = len(margins)
    if n < max(_FEWEST, math.ceil(_SHARE * looked_at)):
        why = f"as one face was found in only {n} of {looked_at} of them"
        return CropMargin(doubt=why)
    low, middle, high = np.percentile(margins, [25, 50, 75]).tolist()
    if high - low > _ALIKE:
        why = f"as there is not one: half are between {low:.2f} and {high:.2f}, half outside"
        return CropMargin(doubt=why)
    return CropMargin(round(min(max(middle, 0.0), LARGEST), 3), found=n)


def margins_of(detector: Detector, crops: Iterable[np.ndarray]) -> list[float]:
    """The margins of crops around their face, as a share of its longer side.

    Args:
      detector: what finds the face in each.
      crops: uint8 [h, w, 3] each, of one face in the middle.

    Returns:
      one for each in which a single face is found; negative where that reaches past the crop.
    """
    margins = []
    for pixels in crops:
        found = detector.find(pixels)
        if len(found) == 1:
            side = max(found[0].width, found[0].height)
            margins.append(float((np.mean(pixels.shape[:2]) / side - 1) / 2))
    return margins
