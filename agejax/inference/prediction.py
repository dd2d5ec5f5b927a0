"""Predictions for a face and for an image."""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from agejax.data.face_detection import Box
from agejax.errors import UserError, told
from agejax.utils.printable import printable

UNSURE_GENDER = 0.75  # probability; below it more than one in four predictions would be wrong
UNSURE_YEARS = 40.0  # width of an age interval that carries little information


@dataclasses.dataclass(frozen=True)
class Prediction:
    """The prediction for one face.

    Attributes:
      path: the file, or "" for an array.
      age: years; the median of the predicted distribution, or its mean or argmax, depending on the
        predictor's `decoding`.
      age_low: years; [age_low, age_high] contains the true age nine times in ten on the validation
        split. Without a calibration, the bounds are the 5% and 95% quantiles.
      age_high: years; see `age_low`.
      gender: "F" or "M".
      gender_probability: the calibrated probability of `gender`.
      probabilities: {task: float32 [classes]}, calibrated.
      box: the face's position in its photo, in pixels, with its landmarks and roll; None if the
        image is a face crop.
      others: {task: (class, probability)} for tasks other than age and gender.
      at_least: {years: probability} of being so old or older, for the predictor's thresholds.
    """

    path: str
    age: float
    age_low: float
    age_high: float
    gender: str
    gender_probability: float
    probabilities: dict[str, np.ndarray] = dataclasses.field(repr=False)
    box: Box | None = None
    others: Mapping[str, tuple[str, float]] = dataclasses.field(default_factory=dict)
    at_least: Mapping[int, float] = dataclasses.field(default_factory=dict)

    @property
    def unsure(self) -> tuple[str, ...]:
        """Which of "age" and "gender" are uncertain.

        An age is if its 90% interval spans 40 years or more, a gender if its probability is below
        75%.
        """
        return ("age",) * (self.age_high - self.age_low >= UNSURE_YEARS) + ("gender",) * (
            self.gender_probability < UNSURE_GENDER
        )

    @property
    def label(self) -> str:
        """Gender, age and its 90% interval, e.g. "M/46 (38-55)", then other tasks' classes."""
        others = "".join(f", {task} {name}" for task, (name, _) in self.others.items())
        return f"{self.gender}/{self.age:.0f} ({self.age_low:.0f}-{self.age_high:.0f}){others}"

    def __str__(self) -> str:
        said = self.label + "".join(f", {t} or older: {p:.1%}" for t, p in self.at_least.items())
        said += f", unsure of {' and '.join(self.unsure)}" if self.unsure else ""
        return f"{printable(self.path)}: {said}" if self.path else said

    def as_dict(self, distribution: bool = False) -> dict[str, Any]:
        """The prediction as JSON values; with `distribution`, also the probability of each age.

        "others", {task: {"class", "probability"}}, is included if the model has other tasks, and
        "at_least", {years: probability}, if the predictor has thresholds.
        """
        ages, box = self.probabilities["age"].tolist(), self.box
        others = {
            task: {"class": name, "probability": round(p, 5)}
            for task, (name, p) in self.others.items()
        }
        more: dict[str, Any] = {"others": others} if others else {}
        if self.at_least:  # rounded down: a limit that is not reached is not reached by rounding
            more["at_least"] = {str(t): math.floor(p * 1e5) / 1e5 for t, p in self.at_least.items()}
        return (
            more
            | {
                "age": round(self.age, 3),
                "age_low": round(self.age_low, 3),
                "age_high": round(self.age_high, 3),
                "gender": self.gender,
                "gender_probability": round(self.gender_probability, 5),
                "unsure": list(self.unsure),
                "box": box and [round(x, 1) for x in (box.x, box.y, box.width, box.height)],
            }
            | ({"age_distribution": [round(p, 6) for p in ages]} if distribution else {})
        )


@dataclasses.dataclass(frozen=True)
class Reading:
    """The predictions for one image.

    Attributes:
      path: the file, or "" for an array or bytes.
      faces: one for a face crop; one for each face of a photo, from left to right; empty if no face
        is found.
      error: why the image could not be read, else None.
      shape: the upright image's height and width in pixels; None if it could not be read.
      note: a remark on all its faces, e.g. that the margin of the training crops is unknown; None
        if there is none.
    """

    path: str
    faces: tuple[Prediction, ...] = ()
    error: UserError | None = None
    shape: tuple[int, int] | None = None
    note: str | None = None

    def lines(self) -> list[str]:
        """A line for each face, or a single line "no face"."""
        name, note = printable(self.path) or "image", f" [{self.note}]" if self.note else ""
        if self.error:
            return [f"error: {told(self.error)}"]
        if not self.faces:
            return [f"{name}: no face"]
        if len(self.faces) == 1:
            return [str(dataclasses.replace(self.faces[0], path=name)) + note]
        return [
            str(dataclasses.replace(face, path=f"{name}, face {i} of {len(self.faces)}")) + note
            for i, face in enumerate(self.faces, start=1)
        ]
