"""Layers whose plain form XLA lowers badly on some platform."""

from functools import reduce

import jax
import jax.numpy as jnp
from flax import nnx

Key = jax.Array | None  # a PRNG key in training, None at inference


def max_pool_2x2(x: jax.Array) -> jax.Array:
    """[B, H, W, C] -> [B, H // 2, W // 2, C], the maximum of each 2x2 window.

    The maximum of four strided slices: on a CPU the gradient of `nnx.max_pool` is 10 to 30 times
    slower than theirs.
    """
    h, w = x.shape[1] // 2 * 2, x.shape[2] // 2 * 2
    return reduce(jnp.maximum, [x[:, i:h:2, j:w:2] for i in (0, 1) for j in (0, 1)])


class Dropout(nnx.Module):
    """Dropout (Srivastava et al., JMLR 2014) that takes its key at the call and holds no state."""

    def __init__(self, rate: float):
        """`rate` is the share of values set to zero in training."""
        self.rate = rate

    def __call__(self, x: jax.Array, key: Key) -> jax.Array:
        """[...] -> [...]; the identity where `key` is None."""
        if key is None or self.rate == 0.0:
            return x
        kept = jax.random.bernoulli(key, 1 - self.rate, x.shape)
        return jnp.where(kept, x / (1 - self.rate), jnp.zeros_like(x))


def split_key(key: Key, n: int) -> list[Key]:
    """`n` independent keys, or `n` Nones."""
    return [None] * n if key is None else list(jax.random.split(key, n))
