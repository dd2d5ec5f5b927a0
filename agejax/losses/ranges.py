"""Losses of labels that are a range of classes, such as an age of 20-29.

Each function is `(logits [B, ...], first int32 [B], last int32 [B]) -> float32 [B]`. If first and
last are equal, it is the plain loss of that class. The loss is the same for every class within a
range: nothing pulls predictions towards the middle.
"""

import jax
import jax.numpy as jnp


def likelihood(logits: jax.Array, first: jax.Array, last: jax.Array) -> jax.Array:
    """-log of the sum of p over the range, in nats: the likelihood of interval-censored labels.

    Args:
      logits: [B, classes], of a softmax.
      first: [B].
      last: [B], inclusive.
    """
    classes = jnp.arange(logits.shape[-1], dtype=first.dtype)[None]
    within = (classes >= first[:, None]) & (classes <= last[:, None])
    inside = jax.nn.logsumexp(jnp.where(within, logits, -jnp.inf), axis=-1)
    return jax.nn.logsumexp(logits, axis=-1) - inside


def ordinal(logits: jax.Array, first: jax.Array, last: jax.Array) -> jax.Array:
    """The binary cross-entropies of "above class k", over those k that the range determines.

    Args:
      logits: [B, classes - 1].
      first: [B].
      last: [B], inclusive.
    """
    k = jnp.arange(logits.shape[-1], dtype=first.dtype)[None]
    above, decided = first[:, None] > k, (first[:, None] > k) | (last[:, None] <= k)
    each = jax.nn.softplus(jnp.where(above, -logits, logits))
    return jnp.where(decided, each, jnp.zeros_like(each)).sum(-1)


def distance(logits: jax.Array, first: jax.Array, last: jax.Array) -> jax.Array:
    """The distance of a prediction from the range, in years (classes); 0 within the range.

    Args:
      logits: [B, 1].
      first: [B].
      last: [B], inclusive.
    """
    years = logits[:, 0]
    nearest = jnp.clip(years, first.astype(logits.dtype), last.astype(logits.dtype))
    return abs(years - nearest)
