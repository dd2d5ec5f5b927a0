"""One full masked pass over a split: the same code inside training and under `config.mode=eval`."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh
from ml_collections import ConfigDict
from tqdm.auto import tqdm

from agejax.config import LOADER, check, from_json, source_args, update
from agejax.data.faces import Faces
from agejax.data.stream import Loader, eval_batches
from agejax.errors import UserError
from agejax.labels import median_age
from agejax.runtime.checkpoint import Checkpoints
from agejax.runtime.cpu import compiler_options
from agejax.runtime.mesh import check_batch_size, make_mesh, put_batch, replicated
from agejax.runtime.model import abstract_model
from agejax.runtime.writers import write_text
from agejax.train.metrics import compute, metric_sums
from agejax.train.step import PredictStep, make_predict_step
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


def score(probabilities: dict[str, np.ndarray], faces: Faces) -> dict[str, dict[str, Any]]:
    """{task: metrics} of predicted faces, as `agejax.train.metrics.compute` gives them."""
    exact = {task: p.astype(np.float64) for task, p in probabilities.items()}
    return compute(metric_sums(exact, faces.labels, faces.known))


def mae_interval(probabilities: np.ndarray, faces: Faces) -> tuple[float, float]:
    """The 95% bootstrap interval of the median's MAE in years (Efron, Ann. Statist. 1979).

    Args:
      probabilities: [N, 101], of the ages of `faces`; 2,000 resamples of these, seeded.
      faces: with their true ages.
    """
    errors = np.abs(median_age(probabilities.astype(np.float64)) - faces.labels["age"])
    errors = errors[faces.known["age"]]
    rng = np.random.default_rng(0)
    means = [rng.choice(errors, len(errors)).mean() for _ in range(2000)]
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)


def baseline(train: Faces, faces: Faces) -> dict[str, float]:
    """What guessing the training median age (years MAE) and majority gender (accuracy) gives."""

    def known(of: Faces, task: str) -> np.ndarray:
        return of.labels[task][of.known[task]]

    median = np.median(known(train, "age"))
    majority = round(float(known(train, "gender").mean()))
    return {
        "age_mae": float(np.abs(known(faces, "age") - median).mean()),
        "gender_accuracy": float((known(faces, "gender") == majority).mean()),
    }


def evaluate(config: ConfigDict, workdir: Path) -> dict[str, Any]:
    """Evaluates a checkpoint of a run on a split and writes it down.

    Test images that also stand, byte for byte, in the training split are left out and counted.

    Args:
      config: the run's own, with `config.eval` and `config.data` as wanted.
      workdir: the run. `eval/SPLIT.json` gets the figures and `eval/SPLIT.npz` each face's path,
        labels and probabilities.

    Returns:
      {"n", "step", "split", "left_out", "age": {"mae": {"argmax", "mean", "median"} (years),
      "mae_interval" (95%, of the median's), "cs5", "accuracy", "nll"}, "gender": {"accuracy",
      "nll"}, "baseline": {"age_mae", "gender_accuracy"}}.

    Raises:
      UserError: there is no such checkpoint or split, or it is of another model.
    """
    check(config)
    mesh = make_mesh()
    check_batch_size(mesh, "eval.batch_size", config.eval.batch_size)
    checkpoints = open_checkpoints(workdir)
    step = checkpoints.find(str(config.eval.checkpoint))
    graph, like = abstract_model(config)
    weights = jax.device_put(checkpoints.weights(step, like), replicated(mesh))
    split = config.eval.split
    train, faces = open_split(config, "train"), open_split(config, split)
    everybody = len(faces)
    if split != "train":
        faces = faces.without(train)
    loader = open_loader(config, faces)
    probabilities = predict_split(
        make_predict_step(graph, compiler_options()), weights, mesh, loader, config.eval.batch_size
    )
    figures = {
        "n": len(faces),
        "step": step,
        "split": split,
        "left_out": everybody - len(faces),
        **score(probabilities, faces),
        "baseline": baseline(train, faces),
    }
    figures["age"]["mae_interval"] = mae_interval(probabilities["age"], faces)
    folder = Path(workdir, "eval")
    write_text(folder / f"{split}.json", json.dumps(figures, indent=2) + "\n")
    arrays = {"path": faces.path}
    arrays |= {f"{task}_label": labels for task, labels in faces.labels.items()}
    arrays |= {f"{task}_probabilities": p for task, p in probabilities.items()}
    np.savez_compressed(folder / f"{split}.npz", **arrays)  # type: ignore[arg-type]
    return figures


def open_checkpoints(workdir: Path) -> Checkpoints:
    """The checkpoints of a run.

    Raises:
      UserError: there is no run in `workdir`.
    """
    if not Path(workdir, "checkpoints").is_dir():
        raise UserError(f"{workdir}: there is no trained run here (no folder checkpoints/)")
    return Checkpoints(Path(workdir), read_only=True)


def of_the_run(workdir: Path, changes: Mapping[str, Any]) -> ConfigDict:
    """The config that a run was trained with, but for `{"section.key": value}`."""
    file = Path(workdir, "config.json")
    open_checkpoints(workdir)
    config = from_json(file.read_text(encoding="utf-8"), str(file))
    update(config, changes)
    return config


def table(figures: dict[str, Any]) -> str:
    """Figures as a few lines for people."""
    age, gender, base = figures["age"], figures["gender"], figures["baseline"]
    mae, (low, high) = age["mae"], age["mae_interval"]
    return "\n".join(
        [
            f"{figures['split']}: {figures['n']:,} faces at step {figures['step']:,}"
            f" ({figures['left_out']} left out, whose images stand in train too)",
            f"  age MAE  {mae['median']:.2f} years by the median (95%: {low:.2f} to {high:.2f}), "
            f"{mae['mean']:.2f} by the mean, {mae['argmax']:.2f} by argmax; "
            f"a constant median has {base['age_mae']:.2f}",
            f"  age CS@5 {age['cs5']:.1%}, exact age {age['accuracy']:.1%}, NLL {age['nll']:.3f}",
            f"  gender   {gender['accuracy']:.1%}; the majority {base['gender_accuracy']:.1%}",
        ]
    )
