"""Small-loss selection: the labels of a batch that fit worst are left out.

Networks fit right labels before wrong ones (Arpit et al., ICML 2017), so that early in training a
large loss means a wrong label, or a rare face. Co-teaching (Han et al., NeurIPS 2018) leaves a
share of each batch out, which rises from 0 over the first steps; here one network selects for
itself.
"""

import jax
import jax.numpy as jnp


def share_at(step: jax.Array, share: float, steps: int) -> jax.Array:
    """The share left out in a step: `share` * min(step / steps, 1), Co-teaching's 1 - R(T).

    Args:
      step: int32 scalar, steps done.
      share: the final one.
      steps: over which it rises; 0 for none.
    """
    if not steps:
        return jnp.float32(share)
    return share * jnp.minimum(step.astype(jnp.float32) / steps, 1)


def small_losses(loss: jax.Array, rows: jax.Array, share: jax.Array) -> jax.Array:
    """float32 [B]: the factor of each row's loss, 0 for the rows left out.

    Of n rows floor(share * n) are left out, those of the largest losses. The factors of the others
    add up to n, so that the scale of the loss does not change.

    Args:
      loss: [B]; its gradient is not taken.
      rows: bool [B], which rows compete: those with a known label of one kind.
      share: scalar, from 0 to 1.
    """
    loss = jnp.where(rows, jax.lax.stop_gradient(loss), jnp.inf)
    rank = jnp.argsort(jnp.argsort(loss))  # the others come last
    n = rows.sum().astype(jnp.float32)
    kept = n - jnp.floor(share * n + 1e-4)  # 0.29 * 100 is just below 29 in float32
    return jnp.where(rows & (rank.astype(jnp.float32) < kept), n / jnp.maximum(kept, 1), 0.0)
