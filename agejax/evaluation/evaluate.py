"""One full masked pass over a split: the same code in training and under `config.mode=eval`."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from jax.sharding import Mesh
from ml_collections import ConfigDict

from agejax.checkpoints.items import check_same_model
from agejax.checkpoints.own_data import remember
from agejax.checkpoints.run_dir import config_of, open_checkpoints
from agejax.checkpoints.same_data import check_same_data
from agejax.checkpoints.stored_arrays import shapes_of
from agejax.config import (
    LOADER,
    changes,
    modules_of,
    settled,
    to_json,
)
from agejax.config.validation import check
from agejax.data.attributes import read_attributes
from agejax.data.bad_records import say_unreadable
from agejax.data.faces import Faces
from agejax.data.stream import Loader, eval_batches
from agejax.distributed.initialize import first_alone, is_first
from agejax.distributed.mesh import (
    check_batch_size,
    fetch,
    make_mesh,
    own_shard,
    put_batch,
    put_whole,
)
from agejax.errors import UserError
from agejax.evaluation.open_split import open_split
from agejax.evaluation.summary import baseline, evaluation_figures, kinds_of, label_counts
from agejax.evaluation.task_labels import groups_of
from agejax.metrics.calibration import calibrated
from agejax.metrics.crossed import crossed
from agejax.steps.model_factory import abstract_model
from agejax.steps.step import PredictStep
from agejax.steps.step_factory import predict_step_of
from agejax.types import Weights
from agejax.utils.atomic_write import write_bytes, write_text
from agejax.utils.files import within
from agejax.utils.notes import bar, note
from agejax.utils.paths import expanded
from agejax.utils.printable import printable
from agejax.utils.versions import versions


def open_loader(
    config: ConfigDict, faces: Faces, report: Callable[[str, str], None] = say_unreadable
) -> Loader:
    """The loader of faces as configured; `report` is called for each unreadable face."""
    return Loader(faces, report=report, **{key: config.data[key] for key in LOADER})


def predict_split(
    predict_step: PredictStep, weights: Weights, mesh: Mesh, loader: Loader, batch_size: int
) -> dict[str, np.ndarray]:
    """{task: float32 [N, classes]}: the probabilities of the N readable faces, in order.

    All processes return them, and then know all faces in `loader.quarantine`.
    """
    parts, masks = [], []
    batches = eval_batches(loader, batch_size=batch_size, shard=own_shard())
    total = -(-len(loader) // batch_size)
    shown = {"total": total, "desc": "evaluating", "unit": "batch", "leave": False}
    for batch in bar(batches, **shown) if is_first() else batches:
        image, mask = put_batch(mesh, (batch["image"], batch["mask"]))
        probabilities, mask = fetch((predict_step(weights, image), mask))
        parts.append({task: p[mask] for task, p in probabilities.items()})
        masks.append(mask)
    loader.quarantine.bad |= ~np.concatenate(masks)[: len(loader)]
    return {task: np.concatenate([part[task] for part in parts]) for task in parts[0]}


def reader_of(
    config: ConfigDict, weights: Weights
) -> Callable[[Faces], tuple[dict[str, np.ndarray], np.ndarray]]:
    """A function that predicts faces with a checkpoint's weights, before calibration.

    Returns:
      N faces -> {task: float32 [M, classes]} of the M readable ones, and bool [N]: which these are.

    Raises:
      UserError: the weights are of another model, or a batch cannot be split over the devices.
    """
    mesh, size = make_mesh(), config.eval.batch_size
    check_batch_size(mesh, "eval.batch_size", size)
    graph, like = abstract_model(config)
    check_same_model("the checkpoint", like, shapes_of(weights))
    weights = put_whole(mesh, weights)

    def read(faces: Faces) -> tuple[dict[str, np.ndarray], np.ndarray]:
        loader = open_loader(config, faces)
        raw = predict_split(predict_step_of(config, graph), weights, mesh, loader, size)
        return raw, ~loader.quarantine.bad

    return read


def evaluate(config: ConfigDict, workdir: Path) -> dict[str, Any]:
    """Evaluates a checkpoint of a run on a split and writes the results.

    Test images that are also, byte for byte, among the faces that the checkpoint was trained on are
    left out and counted; `left_out` is None if the training faces cannot be read.

    Args:
      config: the run's own, with `config.eval` and `config.data` as required.
      workdir: the run. `eval/SPLIT.json` gets the metrics, `eval/SPLIT.npz` each face's `path`,
        `person`, `TASK_label`, `TASK_known` and (calibrated) `TASK_probabilities`; for labels that
        are ranges also `TASK_upto`, the last class; and `checkpoint`, its step and hashes.

    Returns:
      {"n", "step", "checkpoint" (hashes of its "weights" and "calibration"), "split", "left_out",
       "unreadable" (damaged records),
       "age": {"n", "mae": {"argmax", "mean", "median"} (years), "cs5", "accuracy", "nll" (nats),
         "bias" (mean of the median minus the truth), "interval": {"level", "coverage", "width"},
         "mae_when_set_aside": {"10%", "20%", "50%"} (of faces, those of the widest intervals)},
       "gender": {"n", "accuracy", "nll", "ece"},
       "baseline": {"age_mae", "gender_accuracy", "age_median", "age_cumulative"},
       "uncalibrated": {"age", "gender"}, from the model's own probabilities,
       "calibration": {"temperature", "widening", "n", "offset", "by_group"}, applied to everything
         else,
       "groups": {"decade" | "gender" | COLUMN | "predicted age*gender" (if intervals are
         calibrated by groups, these): {GROUP: {"n", "mae", "bias", "cs5", "coverage",
         "gender_accuracy"}}},
       "equality": {KIND: {"cells", "p", "worst", "groups"}}, as in agejax.metrics.equality,
       "balanced": {"sex_and_age", "years", "many", "medium", "few"}, as in
         agejax.metrics.balanced,
       "worst_to_mean": {KIND: the MAE of its worst group of 30 faces or more over that of all},
       "interval_over": "persons" or "faces", "persons",
       "curves": {"age": {"by_age", "cumulative", "coverage", "risk"}, "gender": {"reliability",
         "risk"}, "uncalibrated"}, each as in agejax.metrics.curves,
       "thresholds": {"18": {"under", "over", "bands", "groups", "challenge", "probability"}}, as in
         agejax.metrics.thresholds.threshold_figures,
       "data": {"about" (see Faces), "splits": {"train", SPLIT: its label_counts}},
       "config": of this evaluation, "versions"}.
      Each X_interval is the 95% bootstrap interval of X, [low, high].

    Raises:
      UserError: there is no such checkpoint or split, the checkpoint is of another model, or the
        data is not what it was trained on.
    """
    config, workdir = settled(config), expanded(Path(workdir))
    check(config)
    checkpoints = open_checkpoints(workdir)
    # Before opening the data, which may have to be built.
    step, theirs, calibration, weights, identity = checkpoints.read(
        str(config.eval.checkpoint),
        lambda step: (
            step,
            config_of(checkpoints, step, modules_of(config)),
            checkpoints.calibration(step),
            checkpoints.weights(step, abstract_model(config)[1]),
            checkpoints.identity(step),
        ),
    )
    read = reader_of(config, weights)
    split = config.eval.split
    with first_alone("data"):
        faces = open_split(config, split)
    remember(config)
    train, own = _trained_on(config, theirs)
    everybody = len(faces)
    if split != "train" and train is not None:
        faces = faces.without(train)
    if train is not None:
        looked_at = {"train": train} | ({split: faces} if own else {})
        check_same_data(workdir, step, looked_at, allow=config.data.allow_changed)
    table = config.eval.attributes
    attributes = groups_of(faces, read_attributes(Path(table), faces.path) if table else None)
    if config.eval.cross:  # fails before the faces are read
        crossed(config.eval.cross, kinds_of(faces, attributes))
    raw, readable = read(faces)
    left_out, faces = everybody - len(faces), faces.where(readable)
    attributes = {name: column[readable] for name, column in attributes.items()}
    figures = {
        "n": len(faces),
        "step": step,
        "checkpoint": identity,
        "split": split,
        "left_out": None if train is None else left_out,
        "unreadable": int((~readable).sum()),
        **evaluation_figures(
            raw,
            calibration,
            faces,
            attributes,
            tuple(config.eval.thresholds),
            config.eval.cross,
            train,
        ),
        "baseline": baseline(train, faces),
        "data": {
            "about": dict(faces.about),
            "splits": {
                name: label_counts(of)
                for name, of in {"train": train, split: faces}.items()
                if of is not None
            },
        },
        "config": json.loads(to_json(config)),
        "versions": versions(),
    }
    if not is_first():
        return figures
    folder = Path(workdir, "eval")
    within(folder.parent, "eval", *split.split("/")[:-1])
    write_text(folder / f"{split}.json", json.dumps(figures, indent=2) + "\n")
    evaluated = np.array([str(step), *(f"{part}={of}" for part, of in identity.items())])
    arrays = {"path": faces.path, "checkpoint": evaluated}
    arrays |= {} if faces.person is None else {"person": faces.person}
    arrays |= {f"{task}_label": labels for task, labels in faces.labels.items()}
    arrays |= {f"{task}_known": known for task, known in faces.known.items()}
    arrays |= {f"{task}_upto": last for task, last in faces.upto.items()}
    arrays |= {f"{task}_probabilities": p for task, p in calibrated(raw, calibration).items()}
    out = io.BytesIO()
    np.savez_compressed(out, **arrays)  # type: ignore[arg-type]
    write_bytes(folder / f"{split}.npz", out.getvalue())
    return figures


def _trained_on(config: ConfigDict, theirs: ConfigDict) -> tuple[Faces | None, bool]:
    """The training faces of a checkpoint, and whether it is evaluated on its own data."""
    changed = [key for key, *_ in changes(config, theirs)]
    if not any(key.startswith("data.") and key != "data.size" for key in changed):
        return open_split(config, "train"), True
    return training_faces(theirs), False


def training_faces(config: ConfigDict) -> Faces | None:
    """The training faces of a config; None, with a message that says why, if they are not here."""
    try:
        return open_split(config, "train")
    except UserError as error:
        why = printable(str(error))
        note(f"the training faces cannot be read, so none is left out: {why}")
        return None
