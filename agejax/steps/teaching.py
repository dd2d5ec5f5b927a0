"""How a train step learns from a teacher: another model, which sees the same views of the faces."""

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from ml_collections import ConfigDict

from agejax.config import tasks
from agejax.metrics.calibration import Calibration, tempered
from agejax.models.structure import Structure
from agejax.steps.augment import augment, mirrored, mixup
from agejax.types import Weights


@dataclasses.dataclass(frozen=True)
class Teaching:
    """What a train step does with a teacher.

    Attributes:
      targets: (the teacher's weights, key of `augment`, key of `mix`, uint8 [B, H, W, 3]) ->
        {task: float32 [B, classes]}: its probabilities for the student's views of the faces, of the
        tasks that it teaches.
      weight: share of the loss between the two distributions in that of each of these tasks.
      label_shares: {task: share of the labels' loss}.
      temperature: see `agejax.losses.distillation.from_teacher`.
    """

    targets: Callable[[Weights, jax.Array, jax.Array, jax.Array], dict[str, jax.Array]]
    weight: float
    label_shares: Mapping[str, float]
    temperature: float


def teaching_of(
    config: ConfigDict,
    theirs: ConfigDict,
    graph: Structure,
    calibration: Calibration,
    classes: Mapping[str, Sequence[int]],
) -> Teaching:
    """How the student of a config learns from a teacher.

    The teacher gets the pixels of the student's batch, changed by the same random augmentation, at
    the teacher's own size: where the student is trained at less, the teacher still sees all.

    Args:
      config: of the student.
      theirs: of the teacher.
      graph: the structure of the teacher's model.
      calibration: of the teacher.
      classes: {task: the teacher's classes in the student's order}, of the tasks to teach.
    """
    settings = config.distil
    changes: dict[str, Any] = dict(config.augment)
    alpha = changes.pop("mixup")
    view: Callable[[jax.Array, jax.Array], jax.Array] = functools.partial(
        augment, size=theirs.data.size, **changes
    )
    flip = theirs.model.flip and not settings.one_view

    def targets(
        weights: Weights, augment_key: jax.Array, mix_key: jax.Array, image: jax.Array
    ) -> dict[str, jax.Array]:
        image = view(augment_key, image)
        if alpha:
            image, _ = mixup(mix_key, image, alpha=alpha)
        model = graph.merge(weights["params"], weights["stats"])
        told = model.probabilities(model(image))
        if flip:
            other = model.probabilities(model(mirrored(image, cut=theirs.model.flip_cut)))
            told = jax.tree.map(lambda a, b: (a + b) / 2, told, other)
        chosen = {task: _calibrated(told[task], task, calibration) for task in classes}
        return {task: p[:, jnp.array(classes[task])] for task, p in chosen.items()}

    return Teaching(
        targets,
        settings.weight,
        dict.fromkeys(classes, 1 - settings.weight),
        settings.temperature,
    )


def in_common(config: ConfigDict, theirs: ConfigDict) -> dict[str, list[int]]:
    """{task: the teacher's classes in the student's order} of tasks with the same classes.

    A task of weight 0, which the student does not learn, is none of them.
    """
    ours, others = tasks.read(config.tasks), tasks.read(theirs.tasks)
    found = {}
    for name in ours.keys() & others.keys():
        mine, given = (tasks.class_names(name, of[name]) for of in (ours, others))
        same = sorted(mine) == sorted(given) and ours[name].classes == others[name].classes
        if same and ours[name].weight:
            found[name] = [given.index(of) for of in mine]
    return dict(sorted(found.items()))


def _calibrated(p: Any, task: str, calibration: Calibration) -> jax.Array:
    if task not in calibration.temperature:
        return p
    return tempered(p, calibration.temperature[task], calibration.offset.get(task))
