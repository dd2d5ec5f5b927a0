"""Measures the error of a run when the face crops are tighter or looser than in training."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from agejax.checkpoints.run_dir import of_the_run
from agejax.data.faces import Faces
from agejax.data.stream import Loader, eval_batches
from agejax.errors import UserError
from agejax.evaluation.open_split import open_split
from agejax.inference.predictor import Predictor, load
from agejax.labels import median_age
from agejax.metrics.bootstrap import ratio_intervals

CROPS = (0.3, 0.2, 0.1, 0.0, -0.1, -0.2, -0.3)


def under_crops(
    workdir: Path,
    crops: Sequence[float] = CROPS,
    *,
    split: str = "test",
    checkpoint: str | int = "best",
    changes: Mapping[str, Any] | None = None,
) -> Iterator[dict[str, Any]]:
    """Evaluates a run on faces that are cropped differently than in training.

    Each image is cut at every edge by a fraction of its side, or padded there by repeating the
    border, and then scaled to the model's size. This simulates a detector with another margin.

    Args:
      workdir: the run.
      crops: the fractions, from -1 (padded by a whole side at each edge) to below 0.5 (where
        nothing would be left).
      split: whose faces; faces that are also in the training split are excluded.
      checkpoint: "best", "latest" or a step.
      changes: {"section.key": value}, changes of the run's config such as the data's location.

    Yields:
      For each crop {"crop", "split", "n", "step", "mae" (years, of the median), "change" (of the
      MAE relative to the whole image), "change_interval" ([low, high] (95%), over persons if known;
      None if there are too few), "gender_accuracy"}.

    Raises:
      UserError: there is no such run, checkpoint or split, or a crop leaves nothing.
    """
    for crop in crops:
        if not -1 <= crop < 0.5:
            raise UserError(f"a crop is {crop:g}; it must be from -1 to below 0.5")
    config = of_the_run(workdir, changes or {})
    predictor = load(workdir, checkpoint)
    faces = open_split(config, split)
    if split != "train":
        faces = faces.without(open_split(config, "train"))
    people = np.arange(len(faces)) if faces.person is None else faces.person
    age, known = faces.labels["age"], faces.known["age"]

    def read(crop: float) -> tuple[np.ndarray, np.ndarray]:
        """[N] errors of the age, and whether the gender is right."""
        p = _probabilities(predictor, faces, crop, config.data.workers)
        error = np.abs(median_age(p["age"].astype(np.float64)) - age)
        return error, p["gender"].argmax(-1) == faces.labels["gender"]

    whole = read(0.0)
    for crop in crops:
        error, right = read(crop) if crop else whole
        change = (error - whole[0])[known]
        interval = ratio_intervals(change[:, None], np.ones((len(change), 1)), people[known])[0]
        yield {
            "crop": crop,
            "split": split,
            "n": len(faces),
            "step": predictor.step,
            "mae": float(error[known].mean()),
            "change": float(change.mean()),
            "change_interval": None if np.isnan(interval).any() else interval.tolist(),
            "gender_accuracy": float(right[faces.known["gender"]].mean()),
        }


def crop_lines(figures: Iterator[dict[str, Any]]) -> Iterator[str]:
    """Formats the results of `under_crops`; yields each line as soon as it is available."""
    for i, of in enumerate(figures):
        if i == 0:
            yield f"{of['split']}: {of['n']:,} faces at step {of['step']:,}"
            yield f"  {'at each edge':16}{'MAE':>6}{'change':>9}  {'95%':16}{'gender':>7}"
        share = f"{abs(of['crop']):.0%}"
        name = f"cut by {share}" if of["crop"] > 0 else f"padded by {share}"
        low_high = of["change_interval"]
        interval = "unknown" if low_high is None else "{:+.2f} to {:+.2f}".format(*low_high)
        change = f"{of['change']:+9.2f}  {interval:16}" if of["crop"] else " " * 27
        yield (
            f"  {name if of['crop'] else 'unchanged':16}{of['mae']:6.2f}{change}"
            f"{of['gender_accuracy']:7.1%}"
        )


def _probabilities(
    predictor: Predictor, faces: Faces, crop: float, workers: int
) -> dict[str, np.ndarray]:
    """{task: float32 [N, classes]} of faces cut by `crop`, or padded if it is negative."""
    loader = Loader(faces, size=predictor.size, workers=workers, crop=crop)
    parts = [predictor.probabilities(b["image"]) for b in eval_batches(loader, batch_size=256)]
    return {task: np.concatenate([p[task] for p in parts])[: len(faces)] for task in parts[0]}
