"""What prediction needs of a trained model, wherever it was read from."""

import dataclasses
from pathlib import Path

from ml_collections import ConfigDict

from agejax.data.crop_margin import CropMargin
from agejax.metrics.calibration import Calibration
from agejax.models.structure import Structure
from agejax.types import Weights


@dataclasses.dataclass(frozen=True)
class Shipped:
    """What prediction needs of a checkpoint, all of it from the same save.

    Attributes:
      source: the run's folder, or the file of weights.
      step: of training.
      config: the run's.
      graph: the structure of the model.
      weights: NumPy arrays.
      calibration: fitted on the validation split.
      margin: of the training crops, where it was measured.
      licence: of the training data, where it is recorded.
    """

    source: Path
    step: int
    config: ConfigDict
    graph: Structure
    weights: Weights
    calibration: Calibration
    margin: CropMargin | None = None
    licence: str | None = None

    @property
    def where(self) -> str:
        """The checkpoint's folder, or the file."""
        if self.source.is_file():
            return str(self.source)
        return f"{self.source}/checkpoints/{self.step}"
