"""Ages and genders of face crops, by a trained model."""

import dataclasses
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path

import jax
import numpy as np
from flax import nnx
from ml_collections import ConfigDict

from agejax.config import from_json
from agejax.data.decode import BadImage, canonical, decode
from agejax.data.parallel import in_order
from agejax.errors import UserError
from agejax.labels import GENDERS
from agejax.runtime.model import abstract_model
from agejax.runtime.runs import find_checkpoint
from agejax.runtime.steps import predict_step_of
from agejax.train.calibration import Calibration, age_interval, calibrated
from agejax.types import Weights


@dataclasses.dataclass(frozen=True)
class Prediction:
    """What is read from one face.

    Attributes:
      path: the file, or "" for an array.
      age: years, the median of the predicted distribution.
      age_low: years; the true age is in [age_low, age_high] nine times in ten, as it was for the
        faces of validation. Without a calibration: the 5% and 95% quantiles.
      age_high: years, likewise.
      gender: "F" or "M".
      gender_probability: of that gender, calibrated.
      probabilities: {task: float32 [classes]}, calibrated.
    """

    path: str
    age: float
    age_low: float
    age_high: float
    gender: str
    gender_probability: float
    probabilities: dict[str, np.ndarray] = dataclasses.field(repr=False)

    def __str__(self) -> str:
        return (
            f"{self.path}: {self.gender}/{self.age:.0f} "
            f"({self.age_low:.0f}-{self.age_high:.0f}), {self.gender} {self.gender_probability:.0%}"
        )


class Predictor:
    """A trained model, ready for faces.

    Attributes:
      size: pixels a side of the crops that it takes.
      step: the training step of its weights.
      config: the run's.
      calibration: what its validation taught; empty in a checkpoint without one.
    """

    def __init__(
        self,
        graph: nnx.GraphDef,
        weights: Weights,
        config: ConfigDict,
        step: int,
        batch_size: int,
        calibration: Calibration,
    ):
        """Takes what `load` finds in a checkpoint; JAX's default device does the work."""
        self.config, self.step, self.size = config, step, config.data.size
        self.calibration = calibration
        self._batch_size = batch_size
        self._weights = jax.device_put(weights)
        self._predict_step = predict_step_of(config, graph)

    def probabilities(self, images: np.ndarray) -> dict[str, np.ndarray]:
        """uint8 [N, size, size, 3], RGB face crops -> {task: float32 [N, classes]}, calibrated.

        Raises:
          ValueError: another shape or dtype.
        """
        if images.ndim != 4 or images.shape[1:] != (self.size, self.size, 3):
            raise ValueError(f"images are {images.shape}, not [N, {self.size}, {self.size}, 3]")
        if images.dtype != np.uint8:
            raise ValueError(f"images are {images.dtype}, not uint8")
        parts = []
        for start in range(0, len(images), self._batch_size):
            part = images[start : start + self._batch_size]
            # One shape, so one compilation; the padding's results are cut off.
            padded = np.zeros((self._batch_size, *part.shape[1:]), np.uint8)
            padded[: len(part)] = part
            p = jax.device_get(self._predict_step(self._weights, padded))
            parts.append({task: rows[: len(part)] for task, rows in p.items()})
        empty = {
            task: np.zeros((0, t.classes), np.float32) for task, t in self.config.tasks.items()
        }
        raw = {task: np.concatenate([e, *(p[task] for p in parts)]) for task, e in empty.items()}
        return calibrated(raw, self.calibration)

    def predict(self, images: np.ndarray, paths: Iterable[str] = ()) -> list[Prediction]:
        """uint8 [N, size, size, 3] face crops -> what is read from each."""
        p = self.probabilities(images)
        low, ages, high = age_interval(p["age"], self.calibration.widening.get("age", 0.0))
        paths = list(paths) or [""] * len(images)
        return [
            Prediction(
                path=path,
                age=float(ages[i]),
                age_low=float(low[i]),
                age_high=float(high[i]),
                gender=GENDERS[int(p["gender"][i].argmax())],
                gender_probability=float(p["gender"][i].max()),
                probabilities={task: rows[i] for task, rows in p.items()},
            )
            for i, path in enumerate(paths)
        ]

    def predict_files(self, files: Iterable[str | Path]) -> Iterator[Prediction | UserError]:
        """Face crops in JPEG, PNG or WebP files -> what is read from each, in order.

        Files are decoded ahead on threads, and predicted in batches. What cannot be read comes as a
        `UserError` in its place, so that one bad file does not cost the others.
        """
        with ThreadPoolExecutor(2) as pool:
            images = in_order(pool, self._load, files, ahead=4 * self._batch_size)
            while batch := list(islice(images, self._batch_size)):
                good = [(path, pixels) for path, pixels in batch if isinstance(pixels, np.ndarray)]
                stack = np.reshape([p for _, p in good], (-1, self.size, self.size, 3))
                paths = [path for path, _ in good]
                predictions = iter(self.predict(stack.astype(np.uint8), paths))
                for _, pixels in batch:
                    yield pixels if isinstance(pixels, UserError) else next(predictions)

    def _load(self, file: str | Path) -> tuple[str, np.ndarray | UserError]:
        try:
            return str(file), decode(canonical(Path(file).read_bytes()), self.size)
        except BadImage as error:
            return str(file), UserError(f"{file}: {error}")
        except OSError as error:
            return str(file), UserError(f"{file}: {error.strerror}")


def load(path: str | Path, checkpoint: str | int = "best", *, batch_size: int = 64) -> Predictor:
    """A trained model from its checkpoint folder alone, on any device.

    Args:
      path: a run's folder, its `checkpoints` folder, or one checkpoint in that.
      checkpoint: "best", "latest" or a step.
      batch_size: faces that are worked on at a time.

    Raises:
      UserError: there is none, or it was written by another version.
    """
    checkpoints, step = find_checkpoint(Path(path), str(checkpoint))
    config = from_json(checkpoints.config(step), f"{checkpoints.folder}/{step}")
    graph, like = abstract_model(config)
    weights, calibration = checkpoints.weights(step, like), checkpoints.calibration(step)
    return Predictor(graph, weights, config, step, batch_size, calibration)
