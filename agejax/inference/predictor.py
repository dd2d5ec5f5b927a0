"""Ages and genders of faces, by a trained model."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import jax
import numpy as np
from ml_collections import ConfigDict

from agejax.checkpoints.run_dir import read_checkpoint
from agejax.config import tasks
from agejax.data.crop_margin import CropMargin, of_config
from agejax.data.face_detection import Box
from agejax.data.parallel import in_order
from agejax.errors import UserError
from agejax.inference.image_loading import Opened, Opener
from agejax.inference.prediction import Prediction, Reading
from agejax.inference.sources import images_of
from agejax.labels import DECODINGS, GENDERS
from agejax.metrics.calibration import Calibration, age_interval, calibrated
from agejax.models.structure import Structure
from agejax.steps.step_factory import predict_step_of
from agejax.types import Weights
from agejax.utils.forks import check_not_forked

_THREADS = 2  # that open images while the model works on the ones before


class Predictor:
    """A trained model, ready for faces.

    Attributes:
      size: pixels a side of the crops that it takes.
      margin: what these show beyond the face on each side, as a share of its own side.
      note: what is to be said of faces cut from photos, such as that this margin is not known.
      decoding: which age is read from a distribution: "median", "mean" or "argmax".
      batch_sizes: how many faces are worked on at a time, in ascending order.
      step: the training step of its weights.
      config: the run's.
      calibration: what its validation taught; empty in a checkpoint without one.
    """

    def __init__(
        self,
        graph: Structure,
        weights: Weights,
        config: ConfigDict,
        step: int,
        batch_size: int | Sequence[int],
        calibration: Calibration,
        *,
        margin: float | None = None,
        measured: CropMargin | None = None,
        decoding: str = "median",
    ):
        """Takes what `load` finds in a checkpoint; JAX's default device does the work."""
        if decoding not in DECODINGS:
            raise UserError(f"there is no decoding {decoding!r}; it can be {', '.join(DECODINGS)}")
        self.config, self.step, self.size = config, step, config.data.size
        crops = of_config(margin, config.data.margin, measured)
        self.margin, self.note = crops.margin, str(crops) if crops.doubt else None
        self.decoding, self.calibration = decoding, calibration
        self.batch_sizes = sorted(np.atleast_1d(batch_size).tolist())
        learnt = tasks.read(config.tasks).items()
        self._others = {
            name: tasks.class_names(name, task)
            for name, task in learnt
            if name not in ("age", "gender")
        }
        self._weights = jax.device_put(weights)
        self._predict_step = predict_step_of(config, graph)

    def warm_up(self) -> None:
        """Compiles for all batch sizes, which otherwise happens when each is first needed."""
        for rows in self.batch_sizes:
            self.probabilities(np.zeros((rows, self.size, self.size, 3), np.uint8))

    def probabilities(self, images: np.ndarray) -> dict[str, np.ndarray]:
        """uint8 [N, size, size, 3], RGB face crops -> {task: float32 [N, classes]}, calibrated.

        Raises:
          ValueError: another shape or dtype.
          UserError: this process was forked from the one that loaded the model.
        """
        check_not_forked()
        if images.ndim != 4 or images.shape[1:] != (self.size, self.size, 3):
            raise ValueError(f"images are {images.shape}, not [N, {self.size}, {self.size}, 3]")
        if images.dtype != np.uint8:
            raise ValueError(f"images are {images.dtype}, not uint8")
        parts, most = [], self.batch_sizes[-1]
        for start in range(0, len(images), most):
            part = images[start : start + most]
            # Few shapes, so few compilations; the padding's results are cut off.
            rows = next(n for n in self.batch_sizes if n >= len(part))
            padded = np.zeros((rows, *part.shape[1:]), np.uint8)
            padded[: len(part)] = part
            p = jax.device_get(self._predict_step(self._weights, padded))
            parts.append({task: rows[: len(part)] for task, rows in p.items()})
        empty = {
            task: np.zeros((0, t.classes), np.float32) for task, t in self.config.tasks.items()
        }
        raw = {task: np.concatenate([e, *(p[task] for p in parts)]) for task, e in empty.items()}
        return calibrated(raw, self.calibration)

    def predict(
        self, images: np.ndarray, paths: Sequence[str] = (), boxes: Sequence[Box | None] = ()
    ) -> list[Prediction]:
        """uint8 [N, size, size, 3] face crops -> what is read from each.

        `paths` and `boxes`, if given, are told of each again.
        """
        p = self.probabilities(images)
        low, median, high = age_interval(p["age"], self.calibration.widening.get("age", 0.0))
        ages = DECODINGS[self.decoding](p["age"].astype(np.float64))
        ages = median if self.decoding == "median" else ages
        return [
            Prediction(
                path=path,
                age=float(ages[i]),
                age_low=float(min(low[i], ages[i])),  # a mean may lie outside
                age_high=float(max(high[i], ages[i])),
                gender=GENDERS[int(p["gender"][i].argmax())],
                gender_probability=float(p["gender"][i].max()),
                probabilities={task: rows[i] for task, rows in p.items()},
                box=box,
                others={
                    task: (names[p[task][i].argmax()], float(p[task][i].max()))
                    for task, names in self._others.items()
                },
            )
            for i, (path, box) in enumerate(
                zip(paths or [""] * len(images), boxes or [None] * len(images), strict=True)
            )
        ]

    def read(self, images: Any, photos: bool | None = None) -> Iterator[Reading]:
        """Images of any kind -> what is read from each, in order, as a stream.

        They are opened ahead on threads, and their faces predicted in batches. What cannot be read
        comes with an `error` in its place, so that one bad file does not cost the others; a folder
        without images likewise.

        Args:
          images: a file, a folder, an encoded image (bytes, bytearray, memoryview or a file open
            for reading bytes), an image of Pillow's, a uint8 array [h, w, 3], [h, w] or
            [n, h, w, 3], RGB; or any iterable of these, which is read as it goes.
          photos: True where these are photos, whose faces are to be found; False where each is a
            face crop as training had it. None takes for a crop what has no side over 512 pixels
            nor over 1.25 times the other, and the rest for photos.

        Raises:
          UserError: photos are expected and the extra `detect` is not installed.
          TypeError: something among them is no image.
          ValueError: an array of another dtype or shape.
        """
        check_not_forked()
        opener, most = Opener(self.size, self.margin, photos), self.batch_sizes[-1]
        pool = ThreadPoolExecutor(_THREADS)
        try:
            waiting: list[Opened] = []
            for opened in in_order(pool, opener.open, images_of(images), ahead=2 * most):
                waiting.append(opened)
                if sum(len(x.crops) for x in waiting) >= most or len(waiting) >= 4 * most:
                    yield from self.predict_opened(waiting)
                    waiting = []
            yield from self.predict_opened(waiting)
        finally:
            pool.shutdown(cancel_futures=True)

    def predict_opened(self, images: Sequence[Opened]) -> list[Reading]:
        """What an `Opener` has opened -> what is read from each, in as few batches as it takes."""
        none = np.zeros((0, self.size, self.size, 3), np.uint8)
        crops = np.concatenate([none, *(image.crops for image in images)])
        paths = [image.path for image in images for _ in image.boxes]
        boxes = [box for image in images for box in image.boxes]
        faces = iter(self.predict(crops, paths, boxes))
        return [
            Reading(
                image.path,
                tuple(next(faces) for _ in image.boxes),
                image.error,
                image.shape,
                note=self.note if any(image.boxes) else None,  # a crop was cut by somebody else
            )
            for image in images
        ]

    def predict_files(self, files: Iterable[str | Path]) -> Iterator[Prediction | UserError]:
        """Face crops in files -> what is read from each, in order; `read` without its `Reading`s.

        What cannot be read comes as a `UserError` in its place.
        """
        for reading in self.read(files, photos=False):
            yield reading.error or reading.faces[0]


def load(
    path: str | Path,
    checkpoint: str | int = "best",
    *,
    batch_size: int | Sequence[int] = 64,
    margin: float | None = None,
    decoding: str = "median",
    trust: Collection[str] = (),
) -> Predictor:
    """A trained model from its checkpoint folder alone, on any device.

    Args:
      path: a run's folder, its `checkpoints` folder, or one checkpoint in that.
      checkpoint: "best", "latest" or a step.
      batch_size: faces that are worked on at a time. Of several sizes, each of which is compiled
        when it is first needed, the smallest is taken into which a batch fits.
      margin: what to cut from photos around a face; by default what the run's training crops had,
        by its `config.data.margin` or as training measured it.
      decoding: which age is read from a distribution: "median", which minimises the expected
        error, "mean" or "argmax".
      trust: modules of your own whose code the run may name, such as that of its trunk.

    Raises:
      UserError: there is none, or it was written by another version.
    """
    shipped = read_checkpoint(Path(path), str(checkpoint), trust=trust)
    return Predictor(
        shipped.graph,
        shipped.weights,
        shipped.config,
        shipped.step,
        batch_size,
        shipped.calibration,
        margin=margin,
        measured=shipped.margin,
        decoding=decoding,
    )
