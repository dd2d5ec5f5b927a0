"""Detects non-finite losses and gradients within the step, before they change the weights."""

import jax
import jax.numpy as jnp

from agejax.types import TrainState, Tree


def finite(loss: jax.Array, grads: Tree, stats: Tree) -> jax.Array:
    """Whether a step may be applied, a bool scalar.

    The squares of gradients must be finite too: Adam's second moment would otherwise never recover.
    """
    squares = [jnp.sum(jnp.square(x)) for x in jax.tree.leaves(grads)]
    floats = [x for x in jax.tree.leaves(stats) if jnp.issubdtype(x.dtype, jnp.floating)]
    sums = [jnp.sum(x).astype(loss.dtype) for x in floats]
    return jnp.isfinite(jnp.stack([loss, *squares, *sums])).all()


def taken(state: TrainState, after: TrainState, good: jax.Array, skip: int) -> TrainState:
    """`after` if the step is good, else `state` with `refused` increased.

    Args:
      state: before the step.
      after: the state if the step is applied.
      good: bool scalar, from `finite`.
      skip: how many consecutive refused batches are tolerated. After one more, no later step
        changes anything, so that a host that runs ahead of the devices does no harm.
    """
    halted = state["refused"] > skip
    good = good & ~halted
    refused = jnp.where(good, 0, jnp.minimum(state["refused"], skip) + 1)
    passed_over = jnp.int32(~good & (refused <= skip))
    kept = jax.tree.map(lambda new, old: jnp.where(good, new, old), after, state)
    kept["step"] = kept["step"] + passed_over
    kept["window"]["refused"] = kept["window"]["refused"] + passed_over
    kept["refused"] = refused
    return kept
