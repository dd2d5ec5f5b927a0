"""What the losses and the calibration of tasks need to know of the training labels."""

from collections.abc import Mapping

import numpy as np

from agejax.config.tasks import Task, balance_weights
from agejax.losses.balance import counts_of, logit_offset

_AGE_SIGMA = 3.0  # years, over which the shares of ages are smoothed


def class_weights(
    tasks: Mapping[str, Task],
    labels: Mapping[str, np.ndarray],
    known: Mapping[str, np.ndarray],
    upto: Mapping[str, np.ndarray] | None = None,
) -> dict[str, np.ndarray]:
    """{task: float32 [classes]} of the tasks that are balanced.

    Args:
      tasks: as `agejax.config.tasks.read` gives them.
      labels: {task: int [N]} of the training faces.
      known: {task: bool [N]}; the others are not counted.
      upto: {task: int [N]}, the last class of labels that are ranges, which are counted in equal
        parts for each class within.

    Raises:
      UserError: the balance does not take its settings or these counts.
    """
    return {
        name: balance_weights(
            f"config.tasks.{name}",
            task,
            counts_of(task.classes, labels[name], (upto or {}).get(name), known[name]),
        )
        for name, task in tasks.items()
        if task.balance
    }


def label_shares(
    tasks: Mapping[str, Task],
    labels: Mapping[str, np.ndarray],
    known: Mapping[str, np.ndarray],
    upto: Mapping[str, np.ndarray] | None = None,
) -> dict[str, list[float]]:
    """{task: [classes]}: how common each is, of the tasks whose loss asks; as `class_weights`.

    They sum to one; each class counts as having one face more than it has.
    """
    found = {}
    for name, task in tasks.items():
        if task.loss_args.get("shares") == "training":
            n = counts_of(task.classes, labels[name], (upto or {}).get(name), known[name]) + 1
            found[name] = (n / n.sum()).tolist()
    return found


def logit_offsets(
    tasks: Mapping[str, Task],
    labels: Mapping[str, np.ndarray],
    known: Mapping[str, np.ndarray],
    upto: Mapping[str, np.ndarray] | None = None,
) -> dict[str, list[float]]:
    """{task: [classes] nats} of the tasks whose logits are to be adjusted; as `class_weights`."""
    return {
        name: logit_offset(
            counts_of(task.classes, labels[name], (upto or {}).get(name), known[name]),
            task.logit_adjustment,
            _AGE_SIGMA if name == "age" else 0.0,
        ).tolist()
        for name, task in tasks.items()
        if task.logit_adjustment
    }
