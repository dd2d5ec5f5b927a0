"""Types of a batch, of the training state and of the weights."""

from typing import Any, NotRequired, TypedDict

import jax

Tree = Any  # a nested dict of arrays


class Batch(TypedDict):
    """B faces of one step, on the host or sharded over the devices.

    Attributes:
      image: uint8 [B, H, W, 3], RGB.
      labels: int32 [B] for each task.
      known: bool [B] for each task: whether that label means anything.
      mask: bool [B]: False where the row is padding.
      upto: int32 [B] for each task whose labels may be ranges of classes: the last class of the
        range; `labels` holds the first.
      weights: float32 [B] for each task, in training: the weight of each label in the loss.
    """

    image: Any
    labels: dict[str, Any]
    known: dict[str, Any]
    mask: Any
    upto: NotRequired[dict[str, Any]]
    weights: NotRequired[dict[str, Any]]


class TrainState(TypedDict):
    """Everything that training carries from one step to the next: a plain pytree.

    Attributes:
      step: int32 scalar, steps done. Order, augmentation and dropout derive from it and the seed.
      params: the trainable weights, a pure dict, float32.
      stats: BatchNorm's running statistics, a pure dict, float32.
      opt: optax's state.
      ema: {"params", "stats"} averaged over steps, or {} if no average is kept.
      window: metric sums since the last log line.
      refused: int32 scalar, consecutive batches whose loss or gradient was not finite. A refused
        batch changes nothing else, except `step` and `window` if the run continues after it.
    """

    step: jax.Array
    params: Tree
    stats: Tree
    opt: Tree
    ema: Tree
    window: Tree
    refused: jax.Array


class Weights(TypedDict):
    """The part of a state that inference needs."""

    params: Tree
    stats: Tree


def weights_of(state: TrainState) -> Weights:
    """The weights to evaluate and ship: the averaged ones if an average is kept."""
    if state["ema"]:
        return Weights(params=state["ema"]["params"], stats=state["ema"]["stats"])
    return Weights(params=state["params"], stats=state["stats"])
