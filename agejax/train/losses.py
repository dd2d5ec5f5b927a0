"""What is minimised."""

from collections.abc import Mapping

import jax
import jax.numpy as jnp
import optax

from agejax.types import Batch


def counted(batch: Batch) -> dict[str, jax.Array]:
    """{task: float32 [B]}: 1 where the row is no padding and its label is known, else 0."""
    return {t: (known & batch["mask"]).astype(jnp.float32) for t, known in batch["known"].items()}


def multitask_loss(
    logits: Mapping[str, jax.Array],
    batch: Batch,
    weights: Mapping[str, float],
    counts: Mapping[str, jax.Array],
) -> jax.Array:
    """The weighted average over tasks of their mean softmax cross-entropies, a scalar in nats.

    Args:
      logits: {task: float32 [B, classes]}.
      batch: of B faces, perhaps a part of a larger batch.
      weights: {task: weight}; equal ones give the plain average.
      counts: {task: the labels that count in the whole batch}, so that the losses of the parts of a
        batch add up to the loss of the whole, whatever part the unknown labels fall into.
    """
    loss = jnp.float32(0)
    for task, row_counts in counted(batch).items():
        rows = optax.softmax_cross_entropy_with_integer_labels(logits[task], batch["labels"][task])
        loss += weights[task] * (rows * row_counts).sum() / jnp.maximum(counts[task], 1)
    return loss / sum(weights.values())
