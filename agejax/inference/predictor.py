"""Predicts age and gender of faces with a trained model."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import jax
import numpy as np
from ml_collections import ConfigDict

from agejax.checkpoints.run_dir import read_checkpoint
from agejax.config import tasks
from agejax.config.validation import check_thresholds
from agejax.data.crop_margin import CropMargin, of_config
from agejax.data.face_detection import Box
from agejax.data.parallel import in_order
from agejax.errors import UserError
from agejax.inference.image_loading import Opened, Opener
from agejax.inference.prediction import Prediction, Reading
from agejax.inference.sources import images_of
from agejax.labels import DECODINGS, GENDERS
from agejax.metrics.calibration import Calibration, calibrated
from agejax.metrics.intervals import interval_of
from agejax.metrics.thresholds import at_least
from agejax.models.structure import Structure
from agejax.steps.step_factory import predict_step_of
from agejax.types import Weights
from agejax.utils.forks import check_not_forked

_THREADS = 2  # that load images while the model predicts


class Predictor:
    """A trained model for prediction.

    Attributes:
      size: side of its input crops in pixels.
      margin: how far the crops extend beyond the face on each side, as a fraction of its side.
      note: a remark on faces cut from photos, e.g. that the margin is unknown, or None.
      decoding: how an age is derived from a distribution: "median", "mean" or "argmax".
      batch_sizes: numbers of faces predicted at a time, in ascending order.
      step: the training step of its weights.
      config: the run's config.
      calibration: fitted on the validation split; empty if the checkpoint has none.
      thresholds: ages in whole years, of which predictions have the probability to be reached.
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
        thresholds: Sequence[int] | None = None,
    ):
        """Takes a checkpoint's contents, as `load` reads them; runs on JAX's default device."""
        if decoding not in DECODINGS:
            raise UserError(f"there is no decoding {decoding!r}; it can be {', '.join(DECODINGS)}")
        self.config, self.step, self.size = config, step, config.data.size
        crops = of_config(margin, config.data.margin, measured)
        self.margin, self.note = crops.margin, str(crops) if crops.doubt else None
        self.decoding, self.calibration = decoding, calibration
        self.thresholds = calibration.thresholds if thresholds is None else tuple(thresholds)
        check_thresholds(self.thresholds, "threshold")
        self.batch_sizes = sorted(np.atleast_1d(batch_size).tolist())
        task_configs = tasks.read(config.tasks).items()
        self._others = {
            name: tasks.class_names(name, task)
            for name, task in task_configs
            if name not in ("age", "gender")
        }
        self._weights = jax.device_put(weights)
        self._predict_step = predict_step_of(config, graph)

    def warm_up(self) -> None:
        """Compiles for all batch sizes; otherwise each is compiled on first use."""
        for rows in self.batch_sizes:
            self.probabilities(np.zeros((rows, self.size, self.size, 3), np.uint8))

    def probabilities(self, images: np.ndarray) -> dict[str, np.ndarray]:
        """Predicts calibrated probabilities, {task: float32 [N, classes]}.

        Args:
          images: RGB face crops, uint8 [N, size, size, 3].

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
            # Padding limits the number of compiled shapes; its results are dropped.
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
        """Predicts age and gender of face crops.

        Args:
          images: RGB face crops, uint8 [N, size, size, 3].
          paths: the N files, stored in the predictions.
          boxes: the N positions in their photos, stored in the predictions.
        """
        p = self.probabilities(images)
        low, median, high = interval_of(p, self.calibration)
        ages = DECODINGS[self.decoding](p["age"].astype(np.float64))
        ages = median if self.decoding == "median" else ages
        reached = {t: at_least(p["age"], t) for t in self.thresholds}
        return [
            Prediction(
                path=path,
                age=float(ages[i]),
                age_low=float(min(low[i], ages[i])),  # a mean may lie outside the interval
                age_high=float(max(high[i], ages[i])),
                gender=GENDERS[int(p["gender"][i].argmax())],
                gender_probability=float(p["gender"][i].max()),
                probabilities={task: rows[i] for task, rows in p.items()},
                box=box,
                others={
                    task: (names[p[task][i].argmax()], float(p[task][i].max()))
                    for task, names in self._others.items()
                },
                at_least={t: float(of[i]) for t, of in reached.items()},
            )
            for i, (path, box) in enumerate(
                zip(paths or [""] * len(images), boxes or [None] * len(images), strict=True)
            )
        ]

    def read(self, images: Any, photos: bool | None = None) -> Iterator[Reading]:
        """Yields the predictions for each image, in order.

        Images are loaded ahead in threads and predicted in batches. An image that cannot be read,
        or a folder without images, yields a `Reading` with `error` set; the others are unaffected.

        Args:
          images: a file, a folder, an encoded image (bytes, bytearray, memoryview or a binary
            file), a Pillow image, an RGB array, uint8 [h, w, 3], [h, w] or [n, h, w, 3]; or an
            iterable of these, which is consumed lazily.
          photos: True if these are photos, in which faces are detected; False if each is a face
            crop as in training. None treats an image as a crop if no side exceeds 512 pixels or
            1.25 times the other, else as a photo.

        Raises:
          UserError: there are photos and the extra `detect` is not installed.
          TypeError: an item is not an image.
          ValueError: an array has another dtype or shape.
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
        """Predicts images loaded by an `Opener`, in as few batches as possible."""
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
                note=self.note if any(image.boxes) else None,  # crops were not cut with our margin
            )
            for image in images
        ]

    def predict_files(self, files: Iterable[str | Path]) -> Iterator[Prediction | UserError]:
        """Yields the prediction for each file with a face crop, in order.

        A file that cannot be read yields a `UserError` instead.
        """
        for reading in self.read(files, photos=False):
            yield reading.error or reading.faces[0]


def load(
    path: str | Path | None = None,
    checkpoint: str | int = "best",
    *,
    batch_size: int | Sequence[int] = 64,
    margin: float | None = None,
    decoding: str = "median",
    thresholds: Sequence[int] | None = None,
    trust: Collection[str] = (),
) -> Predictor:
    """Loads a trained model, on any device.

    Args:
      path: a run's folder, its `checkpoints` folder, a single checkpoint in it, or a file that
        `agejax export --to weights` wrote; None for the weights that come with agejax.
      checkpoint: "best", "latest" or a step.
      batch_size: number of faces predicted at a time. With several sizes, each is compiled on first
        use, and a batch uses the smallest that holds it.
      margin: how much of a photo to include around a face; by default the margin of the training
        crops, from `config.data.margin` or as measured in training.
      decoding: how an age is derived from a distribution: "median", which minimises the expected
        absolute error, "mean" or "argmax".
      thresholds: ages in whole years; predictions have the probability of being so old or older.
        None: those for which the run has a challenge age, by `calibrate`.
      trust: modules whose code the run's config may name, in addition to agejax's own and those of
        the environment variable AGEJAX_TRUST.

    Raises:
      UserError: the checkpoint does not exist, or was written by another version.
    """
    shipped = read_checkpoint(path, str(checkpoint), trust=trust)
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
        thresholds=thresholds,
    )
