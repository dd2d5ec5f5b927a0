"""What a looser or a tighter crop costs: the error when faces are cut or padded at prediction."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from agejax.checkpoints.run_dir import of_the_run
from agejax.data.faces import Faces
from agejax.data.stream import Loader, eval_batches
from agejax.errors import UserError
from agejax.evaluation.evaluate import open_split
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
    """Figures of a run's predictions for faces whose crop is not that of its training.

    Each image is cut at every edge by a share of its side, or padded there by repeating the border,
    before it is scaled to the model's size, as a detector with another margin would have it.

    Args:
      workdir: the run.
      crops: the shares, from -1 (padded by a whole side at each edge) to below 0.5 (nothing left).
      split: whose faces; those that stand in the training split, too, are left out.
      checkpoint: "best", "latest" or a step.
      changes: {"section.key": value} of the run's config, such as where its data are.

    Yields:
      {"crop", "split", "n", "step", "mae" (years, of the median), "change" (of the MAE from the
      whole image's), "change_interval" ([low, high] (95%), over persons where they are known; None
      for too few), "gender_accuracy"} for each crop.

    Raises:
      UserError: there is no such run, checkpoint or split, or a crop leaves nothing.
    """
    for crop in crops:
        if not -1 <= crop < 0.5:
            raise UserError(f"a crop of {crop:g} cannot be; it must be from -1 to below 0.5")
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
    """What `under_crops` gives, as lines for people, each as soon as it is known."""
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
            f"  {name if of['crop'] else 'as it is':16}{of['mae']:6.2f}{change}"
            f"{of['gender_accuracy']:7.1%}"
        )


def _probabilities(
    predictor: Predictor, faces: Faces, crop: float, workers: int
) -> dict[str, np.ndarray]:
    """{task: float32 [N, classes]} of faces cut (or, where negative, padded) by `crop`."""
    loader = Loader(faces, size=predictor.size, workers=workers, crop=crop)
    parts = [predictor.probabilities(b["image"]) for b in eval_batches(loader, batch_size=256)]
    return {task: np.concatenate([p[task] for p in parts])[: len(faces)] for task in parts[0]}
