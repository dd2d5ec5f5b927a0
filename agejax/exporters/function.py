"""The function that an exported model computes, from pixels to readings."""

import dataclasses
import hashlib
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np
from ml_collections import ConfigDict

from agejax.checkpoints.run_dir import read_checkpoint
from agejax.config import validation
from agejax.data.crop_margin import CropMargin, of_config
from agejax.errors import UserError
from agejax.kernels import dispatch
from agejax.metrics.calibration import Calibration, calibrated
from agejax.metrics.intervals import interval_of
from agejax.models.structure import Structure
from agejax.steps.model_factory import abstract_model
from agejax.steps.step_factory import predict_step_of
from agejax.types import Weights
from agejax.utils.files import within

Readings = dict[str, Any]  # {output: array [B, ...]}


@dataclasses.dataclass(frozen=True)
class Trained:
    """A checkpoint in memory.

    Attributes:
      source: the run's folder, or the file of weights.
      config: the run's config, with `model.dtype` set to the dtype of the export.
      step: the checkpoint's step.
      graph: the model's structure.
      weights: NumPy arrays.
      calibration: fitted on the validation split.
      trained_in: the dtype that the run itself computes in.
      margin: how far its training crops extend beyond the face.
      licence: of the training data, where it is recorded.
    """

    source: Path
    config: ConfigDict
    step: int
    graph: Structure
    weights: Weights
    calibration: Calibration
    trained_in: str
    margin: CropMargin = dataclasses.field(default_factory=CropMargin)
    licence: str | None = None

    @classmethod
    def load(
        cls,
        path: Path | None,
        checkpoint: str = "best",
        dtype: str | None = None,
        margin: float | None = None,
    ) -> "Trained":
        """Loads a run's checkpoint.

        Args:
          path: as for `agejax.load`.
          checkpoint: "best", "latest" or a step.
          dtype: the dtype to compute in; by default that of training.
          margin: as for `agejax.load`.

        Raises:
          UserError: the checkpoint does not exist, or was written by another version.
        """
        shipped = read_checkpoint(path, checkpoint, dtype)
        config, trained_in = shipped.config, shipped.config.model.dtype
        config.model.dtype = dtype or trained_in
        return cls(
            shipped.source,
            config,
            shipped.step,
            shipped.graph,
            shipped.weights,
            shipped.calibration,
            trained_in,
            of_config(margin, config.data.margin, shipped.margin),
            shipped.licence,
        )

    @property
    def name(self) -> str:
        """Of the run or the file, without its suffix."""
        return self.source.stem if self.source.is_file() else self.source.name

    @property
    def exports(self) -> Path:
        """The folder of its exports: in the run; of a file, in the current folder.

        Raises:
          UserError: it is a symbolic link.
        """
        return within(Path() if self.source.is_file() else self.source, "export")

    def of_tasks(self, names: Collection[str]) -> "Trained":
        """The same model without the heads of other tasks.

        Raises:
          UserError: it lacks one of these, or they are too few for predictions.
        """
        if missing := [name for name in names if name not in self.config.tasks]:
            there = ", ".join(self.config.tasks)
            raise UserError(f"{self.source} has no task {missing[0]!r}; its tasks are {there}")
        config = self.config.copy_and_resolve_references()
        with config.unlocked():
            for name in [name for name in config.tasks if name not in names]:
                del config.tasks[name]
        validation.check_values(config)
        graph, like = abstract_model(config)
        whole = _by_path(self.weights)
        kept = jax.tree_util.tree_map_with_path(lambda path, _: whole[path], dict(like))
        return dataclasses.replace(
            self,
            config=config,
            graph=graph,
            weights=Weights(params=kept["params"], stats=kept["stats"]),
            calibration=self.calibration.of_tasks(config.tasks),
        )

    def sha256(self) -> str:
        """A hash of its weights and calibration, the same on every machine."""
        fitted = dataclasses.asdict(self.calibration)
        for part in ("offset", "challenge", "by_group"):  # older checkpoints have none
            if not fitted[part]:
                del fitted[part]
        digest = hashlib.sha256(repr(fitted).encode())
        for path, leaf in jax.tree_util.tree_leaves_with_path(dict(self.weights)):
            digest.update(jax.tree_util.keystr(path).encode())
            digest.update(np.ascontiguousarray(leaf).data)
        return digest.hexdigest()


def _by_path(weights: Weights) -> dict[Any, Any]:
    return dict(jax.tree_util.tree_leaves_with_path(dict(weights)))


def readings_of(trained: Trained) -> Callable[[Weights, jax.Array], Readings]:
    """A pure function (weights, uint8 [B, size, size, 3]) -> readings, to be traced for export.

    It is composed of the functions that evaluation and prediction call: `predict_step_of`, with the
    mirror image if configured, `calibrated` and `interval_of`. Convolutions are those of
    `jax.lax`, not the CPU kernels of `agejax.kernels`.

    The readings are float32: `age_probabilities` [B, 101]; `age`, `age_low` and `age_high` [B], in
    years; and `TASK_probabilities` [B, classes] for every other task.
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
                    f"{trained.config.model.trunk.__name__} does not support a symbolic batch "
                    f"size; its __call__ may use len(x) instead of x.shape[0] ({error})"
                ) from error
        return read(p, calibration)

    return readings


def read(p: Mapping[str, Any], calibration: Calibration) -> Readings:
    """The readings of calibrated {task: [B, classes]}, NumPy or JAX arrays."""
    found: Readings = {f"{task}_probabilities": rows for task, rows in p.items()}
    if "age" in p:
        found["age_low"], found["age"], found["age_high"] = interval_of(p, calibration)
    return found
