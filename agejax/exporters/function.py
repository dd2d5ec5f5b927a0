"""What an exported model computes: pixels in, readings out, with all that lies between."""

import dataclasses
import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np
from ml_collections import ConfigDict

from agejax.checkpoints.run_dir import read_checkpoint
from agejax.data.crop_margin import CropMargin, of_config
from agejax.errors import UserError
from agejax.kernels import dispatch
from agejax.metrics.calibration import Calibration, age_interval, calibrated
from agejax.models.structure import Structure
from agejax.steps.step_factory import predict_step_of
from agejax.types import Weights

Readings = dict[str, Any]  # {output: array [B, ...]}


@dataclasses.dataclass(frozen=True)
class Trained:
    """A checkpoint, in memory.

    Attributes:
      folder: the run's.
      config: its own.
      step: of the checkpoint.
      graph: the model's structure.
      weights: NumPy arrays.
      calibration: what its validation taught.
      trained_in: the dtype that the run computes in, where `config.model.dtype` is another.
      margin: what its training crops show beyond the face.
    """

    folder: Path
    config: ConfigDict
    step: int
    graph: Structure
    weights: Weights
    calibration: Calibration
    trained_in: str
    margin: CropMargin = dataclasses.field(default_factory=CropMargin)

    @classmethod
    def load(
        cls,
        path: Path,
        checkpoint: str = "best",
        dtype: str | None = None,
        margin: float | None = None,
    ) -> "Trained":
        """A run's checkpoint: "best", "latest" or a step.

        Args:
          path: as for `agejax.load`.
          checkpoint: which one.
          dtype: what to compute in, where that shall be another than in training.
          margin: as for `agejax.load`.

        Raises:
          UserError: there is none, or it was written by another version.
        """
        shipped = read_checkpoint(path, checkpoint, dtype)
        config, trained_in = shipped.config, shipped.config.model.dtype
        config.model.dtype = dtype or trained_in
        return cls(
            shipped.checkpoints.folder.parent,
            config,
            shipped.step,
            shipped.graph,
            shipped.weights,
            shipped.calibration,
            trained_in,
            of_config(margin, config.data.margin, shipped.margin),
        )

    def sha256(self) -> str:
        """A hash of its weights and calibration, the same on every machine."""
        taught = dataclasses.asdict(self.calibration)
        if not taught["offset"]:  # as in checkpoints of before there were any
            del taught["offset"]
        digest = hashlib.sha256(repr(taught).encode())
        for path, leaf in jax.tree_util.tree_leaves_with_path(dict(self.weights)):
            digest.update(jax.tree_util.keystr(path).encode())
            digest.update(np.ascontiguousarray(leaf).data)
        return digest.hexdigest()


def readings_of(trained: Trained) -> Callable[[Weights, jax.Array], Readings]:
    """A pure (weights, uint8 [B, size, size, 3]) -> readings, for other runtimes to have traced.

    Made of the very functions that evaluation and prediction call: `predict_step_of`, with the
    mirror image where the config has it, `calibrated` and `age_interval`. The convolutions are
    `jax.lax`'s own, not the forms of a CPU here.

    The readings are float32: `age_probabilities` [B, 101], `age`, `age_low` and `age_high` [B], in
    years; and `TASK_probabilities` [B, classes] of every other task.
    """
    step = predict_step_of(trained.config, trained.graph, {})
    calibration = trained.calibration

    def readings(weights: Weights, image: jax.Array) -> Readings:
        with dispatch.portable(), jax.numpy_dtype_promotion("standard"):
            try:
                p = calibrated(step(weights, image), calibration)
            except TypeError as error:
                if "_DimExpr" not in str(error):
                    raise
                raise UserError(
                    f"{trained.config.model.trunk.__name__} does not take a batch of any size: its "
                    f"__call__ may ask for len(x) where x.shape[0] would do ({error})"
                ) from error
        return read(p, calibration)

    return readings


def read(p: Mapping[str, Any], calibration: Calibration) -> Readings:
    """{task: [B, classes]}, calibrated -> the readings; of NumPy's or of JAX's arrays."""
    found: Readings = {f"{task}_probabilities": rows for task, rows in p.items()}
    if "age" in p:
        widening = calibration.widening.get("age", 0.0)
        found["age_low"], found["age"], found["age_high"] = age_interval(p["age"], widening)
    return found
