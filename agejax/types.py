"""The shapes that rooms hand to one another."""

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
      upto: int32 [B] for each task that has labels given as ranges: the last class that may be, and
        `labels` the first.
    """

    image: Any
    labels: dict[str, Any]
    known: dict[str, Any]
    mask: Any
    upto: NotRequired[dict[str, Any]]


class TrainState(TypedDict):
    """All that training carries from one step to the next: a plain pytree.

    Attributes:
      step: int32 scalar, steps done. Order, augmentation and dropout derive from it and the seed.
      params: the trainable weights, a pure dict, float32.
      stats: BatchNorm's running statistics, a pure dict, float32.
      opt: optax's state.
      ema: {"params", "stats"} averaged over steps, or {} where there is no average.
      window: metric sums since the last log line.
      refused: int32 scalar, batches in a row whose loss or gradient was not finite. None of them
        has changed anything else but, where the run goes on after it, `step` and `window`.
    """

    step: jax.Array
    params: Tree
    stats: Tree
    opt: Tree
    ema: Tree
    window: Tree
    refused: jax.Array


class Weights(TypedDict):
    """What inference needs of a state."""

    params: Tree
    stats: Tree


def weights_of(state: TrainState) -> Weights:
    """The weights that are evaluated and shipped: the averaged ones where there are any."""
    if state["ema"]:
        return Weights(params=state["ema"]["params"], stats=state["ema"]["stats"])
    return Weights(params=state["params"], stats=state["stats"])
