"""One full masked pass over a split: the same code inside training and under `config.mode=eval`."""

import json
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh
from ml_collections import ConfigDict
from tqdm.auto import tqdm

from agejax.config import LOADER, check, source_args
from agejax.data.attributes import read_attributes
from agejax.data.faces import Faces
from agejax.data.stream import Loader, eval_batches
from agejax.errors import UserError
from agejax.runtime.durable import write_text
from agejax.runtime.figures import baseline, evaluation_figures
from agejax.runtime.mesh import check_batch_size, make_mesh, put_batch, replicated
from agejax.runtime.model import abstract_model
from agejax.runtime.runs import open_checkpoints
from agejax.runtime.steps import predict_step_of
from agejax.train.calibration import calibrated
from agejax.train.step import PredictStep
from agejax.types import Weights


def open_split(config: ConfigDict, split: str) -> Faces:
    """The faces of a split.

    Raises:
      UserError: there is no such split, or its labels are not those of the config's tasks.
    """
    faces = config.data.source(split, **source_args(config))
    if faces.labels.keys() != set(config.tasks):
        labels, tasks = (", ".join(sorted(names)) for names in (faces.labels, config.tasks))
        raise UserError(f"config.tasks are {tasks}, but the faces are labelled with {labels}")
    return faces


def open_loader(config: ConfigDict, faces: Faces) -> Loader:
    """The decoder of those faces that the config asks for."""
    return Loader(faces, **{key: config.data[key] for key in LOADER})


def predict_split(
    predict_step: PredictStep, weights: Weights, mesh: Mesh, loader: Loader, batch_size: int
) -> dict[str, np.ndarray]:
    """{task: float32 [N, classes]}: the probabilities of all N faces, in order."""
    parts = []
    batches = eval_batches(loader, batch_size=batch_size)
    total = -(-len(loader) // batch_size)
    for batch in tqdm(batches, total=total, desc="evaluating", unit="batch", leave=False):
        probabilities = predict_step(weights, put_batch(mesh, batch["image"]))
        parts.append({task: np.asarray(p)[batch["mask"]] for task, p in probabilities.items()})
    return {task: np.concatenate([part[task] for part in parts]) for task in parts[0]}


def evaluate(config: ConfigDict, workdir: Path) -> dict[str, Any]:
    """Evaluates a checkpoint of a run on a split and writes it down.

    Test images that also stand, byte for byte, in the training split are left out and counted.

    Args:
      config: the run's own, with `config.eval` and `config.data` as wanted.
      workdir: the run. `eval/SPLIT.json` gets the figures, `eval/SPLIT.npz` each face's `path`,
        `person`, `TASK_label`, `TASK_known` and (calibrated) `TASK_probabilities`.

    Returns:
      {"n", "step", "split", "left_out",
       "age": {"n", "mae": {"argmax", "mean", "median"} (years), "cs5", "accuracy", "nll" (nats),
         "bias" (mean of the median minus the truth), "interval": {"level", "coverage", "width"},
         "mae_when_set_aside": {"10%", "20%", "50%"} (of faces, those of the widest intervals)},
       "gender": {"n", "accuracy", "nll", "ece"},
       "baseline": {"age_mae", "gender_accuracy"},
       "uncalibrated": {"age", "gender"}, read from the model's own probabilities,
       "calibration": {"temperature", "widening", "n"}, what all else is read with,
       "groups": {"decade" | "gender" | COLUMN: {GROUP: {"n", "mae", "bias", "cs5", "coverage",
         "gender_accuracy"}}},
       "worst_to_mean": {KIND: the MAE of its worst group of 30 faces or more over that of all},
       "interval_over": "persons" or "faces", "persons"}.
      X_interval stands beside X: its 95% bootstrap interval, [low, high].

    Raises:
      UserError: there is no such checkpoint or split, or it is of another model.
    """
    check(config)
    mesh = make_mesh()
    check_batch_size(mesh, "eval.batch_size", config.eval.batch_size)
    checkpoints = open_checkpoints(workdir)
    step = checkpoints.find(str(config.eval.checkpoint))
    calibration = checkpoints.calibration(step)
    graph, like = abstract_model(config)
    weights = jax.device_put(checkpoints.weights(step, like), replicated(mesh))
    split = config.eval.split
    train, faces = open_split(config, "train"), open_split(config, split)
    everybody = len(faces)
    if split != "train":
        faces = faces.without(train)
    table = config.eval.attributes
    attributes = read_attributes(Path(table), faces.path) if table else {}
    loader = open_loader(config, faces)
    raw = predict_split(
        predict_step_of(config, graph), weights, mesh, loader, config.eval.batch_size
    )
    figures = {
        "n": len(faces),
        "step": step,
        "split": split,
        "left_out": everybody - len(faces),
        **evaluation_figures(raw, calibration, faces, attributes),
        "baseline": baseline(train, faces),
    }
    folder = Path(workdir, "eval")
    write_text(folder / f"{split}.json", json.dumps(figures, indent=2) + "\n")
    arrays = {"path": faces.path} | ({} if faces.person is None else {"person": faces.person})
    arrays |= {f"{task}_label": labels for task, labels in faces.labels.items()}
    arrays |= {f"{task}_known": known for task, known in faces.known.items()}
    arrays |= {f"{task}_probabilities": p for task, p in calibrated(raw, calibration).items()}
    np.savez_compressed(folder / f"{split}.npz", **arrays)  # type: ignore[arg-type]
    return figures
