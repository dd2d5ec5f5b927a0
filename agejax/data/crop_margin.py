"""The margin around the face in the crops of a data set; photos must be cut with the same one.

A model expects faces cropped as in training: another margin shifts ages by years, without any
error. The margin is therefore measured, by the same detector that finds faces in photos.
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

USUAL = 0.4  # IMDB-WIKI's, the default
LARGEST = 4.0
_LOOKED_AT = 200  # crops that are measured; each takes 8 ms
_SIDE = 96  # pixels to which they are scaled
_FEWEST = 20  # the fewest faces for a median
_SHARE = 1 / 3  # the smallest share of crops with exactly one face
_ALIKE = 0.25  # the largest distance between the quartiles; beyond it, no single margin fits


@dataclasses.dataclass(frozen=True)
class CropMargin:
    """A margin, and how it was obtained.

    Attributes:
      margin: what a crop shows beyond the face on each side, as a fraction of the side of the
        face's square; 0 or above. IMDB-WIKI's if unknown.
      doubt: why it is unknown; None if it was measured or given.
      found: number of crops on which it was measured; 0 if it was not.
    """

    margin: float = USUAL
    doubt: str | None = None
    found: int = 0

    @classmethod
    def read(cls, saved: Any, where: str) -> "CropMargin":
        """Loads a margin from JSON, as `dataclasses.asdict` saved it.

        Raises:
          UserError: it is not valid; `where` names the file in the message.
        """
        fields = {field.name for field in dataclasses.fields(cls)}
        if not isinstance(saved, Mapping) or saved.keys() != fields:
            raise UserError(f"{where}: its margin is not valid ({str(saved)[:60]})")
        margin, doubt, found = saved["margin"], saved["doubt"], saved["found"]
        if not (
            type(margin) in (int, float)
            and 0 <= margin <= LARGEST
            and (doubt is None or isinstance(doubt, str))
            and type(found) is int
        ):
            raise UserError(f"{where}: its margin is not valid ({str(saved)[:60]})")
        reason = doubt and "".join(filter(str.isprintable, doubt))[:200]
        return cls(float(margin), reason, found)

    def __str__(self) -> str:
        if self.doubt:
            return f"the margin of the training crops is not known, {self.doubt}"
        source = f", measured on {self.found}" if self.found else ""
        return f"margin of the training crops: {self.margin:.2f} of the face on each side{source}"


def of_config(given: float | None, chosen: float | None, kept: CropMargin | None) -> CropMargin:
    """The margin to cut photos with.

    Args:
      given: at the call, or None; takes precedence.
      chosen: the run's `config.data.margin`.
      kept: as recorded by training; None for older checkpoints, whose config says 0.4 if no margin
        was chosen.

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
    """The margin of training faces, measured on up to 200 of them; deterministic."""
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
            except BadImage:  # reported by training
                continue

    return summary(margins_of(detector, crops()), len(rows))


def summary(margins: list[float], looked_at: int) -> CropMargin:
    """The margin of a data set, from those of its crops in which exactly one face was found."""
    n = len(margins)
    if n < max(_FEWEST, math.ceil(_SHARE * looked_at)):
        why = f"as one face was found in only {n} of {looked_at} of them"
        return CropMargin(doubt=why)
    low, middle, high = np.percentile(margins, [25, 50, 75]).tolist()
    if high - low > _ALIKE:
        why = f"as it varies: half of the crops have {low:.2f} to {high:.2f}, half do not"
        return CropMargin(doubt=why)
    return CropMargin(round(min(max(middle, 0.0), LARGEST), 3), found=n)


def margins_of(detector: Detector, crops: Iterable[np.ndarray]) -> list[float]:
    """The margins of crops around their face, as a fraction of its square's side.

    Args:
      detector: finds the face in each crop.
      crops: uint8 [h, w, 3] each, with one face in the middle.

    Returns:
      one for each crop with a single face; negative if the face extends past the crop.
    """
    margins = []
    for pixels in crops:
        found = detector.find(pixels)
        if len(found) == 1:
            side = found[0].square[1]
            margins.append(float((np.mean(pixels.shape[:2]) / side - 1) / 2))
    return margins
