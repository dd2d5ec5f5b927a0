"""Batches that would ruin the weights: found within the step, before anything of them is kept."""

import jax
import jax.numpy as jnp

from agejax.types import TrainState, Tree


def finite(loss: jax.Array, grads: Tree, stats: Tree) -> jax.Array:
    """Whether a step may be taken, a bool scalar.

    The squares of gradients must be finite too: Adam's second moment would never forget one that
    is not.
    """
    squares = [jnp.sum(jnp.square(x)) for x in jax.tree.leaves(grads)]
    floats = [x for x in jax.tree.leaves(stats) if jnp.issubdtype(x.dtype, jnp.floating)]
    sums = [jnp.sum(x).astype(loss.dtype) for x in floats]
    return jnp.isfinite(jnp.stack([loss, *squares, *sums])).all()


def taken(state: TrainState, after: TrainState, good: jax.Array, skip: int) -> TrainState:
    """`after` where the step is good, else `state` with the refusal counted.

    Args:
      state: before the step.
      after: when it would have been taken.
      good: bool scalar, as `finite` gives it.
      skip: how many refused batches in a row are passed over. After one more, nothing changes any
        more, whatever follows, so that a host that runs ahead of the devices does no harm.
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
