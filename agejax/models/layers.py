"""Layers whose plain form compiles to slow code on some platform."""

import math
from collections.abc import Callable
from functools import reduce
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from agejax.kernels import conv
from agejax.kernels.norm import BatchNorm

Key = jax.Array | None  # a PRNG key in training, None at inference
Make = Callable[..., Any]  # a layer's class with some of its arguments bound

# Results for `jax.checkpoint` to store, since they are expensive to recompute.
products = jax.checkpoint_policies.save_from_both_policies(
    jax.checkpoint_policies.dots_saveable,
    jax.checkpoint_policies.save_only_these_names(conv.NAME),
)


def max_pool_2x2(x: jax.Array) -> jax.Array:
    """[B, H, W, C] -> [B, H // 2, W // 2, C], the maximum of each 2x2 window.

    The maximum of four strided slices: on a CPU the gradient of `nnx.max_pool` is 10 to 30 times
    slower.
    """
    h, w = x.shape[1] // 2 * 2, x.shape[2] // 2 * 2
    return reduce(jnp.maximum, [_every_second(x, i, j, h, w) for i in (0, 1) for j in (0, 1)])


def avg_pool_2x2(x: jax.Array) -> jax.Array:
    """[B, H, W, C] -> [B, H // 2, W // 2, C], the mean of each 2x2 window."""
    h, w = x.shape[1] // 2 * 2, x.shape[2] // 2 * 2
    return reduce(jnp.add, [_every_second(x, i, j, h, w) for i in (0, 1) for j in (0, 1)]) / 4


def _every_second(x: jax.Array, i: int, j: int, h: int, w: int) -> jax.Array:
    """`x[:, i:h:2, j:w:2]`, which would become a gather in an export with symbolic batch size."""
    return jax.lax.slice(x, (0, i, j, 0), (x.shape[0], h, w, x.shape[3]), (1, 2, 2, 1))


class Dropout(nnx.Module):
    """Stateless dropout (Srivastava et al., JMLR 2014), whose key is an argument of the call."""

    def __init__(self, rate: float):
        """`rate` is the fraction of values set to zero in training."""
        self.rate = rate

    def __call__(self, x: jax.Array, key: Key) -> jax.Array:
        """[...] -> [...]; the identity if `key` is None.

        Each value uses one random byte, so that the rate is rounded to a multiple of 1/256.
        """
        dropped = round(self.rate * 256)
        if key is None or dropped == 0:
            return x
        kept = _random_bytes(key, x.shape) >= dropped
        return jnp.where(kept, x / (1 - dropped / 256), jnp.zeros_like(x))


def _random_bytes(key: jax.Array, shape: tuple[int, ...]) -> jax.Array:
    """uint8 of `shape`, four from each random uint32, since generating these is the cost."""
    size = math.prod(shape[1:])
    words = jax.random.bits(key, (shape[0], -(-size // 4)), jnp.uint32)
    in_fours = jax.lax.bitcast_convert_type(words, jnp.uint8)
    return in_fours.reshape(shape[0], -1)[:, :size].reshape(shape)


class StochasticDepth(nnx.Module):
    """Skips a residual branch for random images (Huang et al., ECCV 2016); stateless."""

    def __init__(self, rate: float):
        """`rate` is the fraction of images that skip the branch in training."""
        self.rate = rate

    def __call__(self, x: jax.Array, key: Key) -> jax.Array:
        """[B, ...] -> [B, ...]; the identity if `key` is None."""
        if key is None or self.rate == 0.0:
            return x
        kept = jax.random.bernoulli(key, 1 - self.rate, (len(x),) + (1,) * (x.ndim - 1))
        return jnp.where(kept, x / (1 - self.rate), jnp.zeros_like(x))


def split_key(key: Key, n: int) -> list[Key]:
    """`n` independent keys, or `n` Nones."""
    return [None] * n if key is None else list(jax.random.split(key, n))


def Conv(i: int, o: int, k: int, stride: int = 1, *, groups: int = 1, **settings) -> nnx.Conv:
    """nnx.Conv with a k x k kernel, by default with padding k // 2, computed by `conv2d`."""
    settings.setdefault("padding", [(k // 2, k // 2)] * 2)
    return nnx.Conv(
        i,
        o,
        (k, k),
        stride,
        feature_group_count=groups,
        conv_general_dilated=conv.conv2d,
        **settings,
    )


def max_pool_3x3(x: jax.Array, *, padded: bool = True) -> jax.Array:
    """[B, H, W, C] -> [B, ceil(H / 2), ceil(W / 2), C]: 3x3 windows, stride 2, padding 1.

    Without `padded` there is no padding: [B, (H - 1) // 2, (W - 1) // 2, C].
    """
    if padded:
        h, w = ((n + 1) // 2 * 2 for n in x.shape[1:3])
        pads = [(0, 0), (1, h - x.shape[1]), (1, w - x.shape[2]), (0, 0)]
        x = jnp.pad(x, pads, constant_values=jnp.finfo(x.dtype).min)
    else:
        h, w = ((n - 1) // 2 * 2 for n in x.shape[1:3])
    every = lambda x, axis, i, n: jax.lax.slice_in_dim(x, i, i + n - 1, 2, axis)
    down = reduce(jnp.maximum, [every(x, 1, i, h) for i in range(3)])
    return reduce(jnp.maximum, [every(down, 2, j, w) for j in range(3)])


def batch_norm(width: int, *, epsilon: float = 1e-5, **settings) -> BatchNorm:
    """Batch norm with torchvision's momentum."""
    return BatchNorm(width, momentum=0.9, epsilon=epsilon, **settings)


def layer_norm(width: int, **settings) -> nnx.LayerNorm:
    """nnx.LayerNorm with the epsilon of published transformers and ConvNeXts.

    The variance is E[(x - E[x])^2]; E[x^2] - E[x]^2 would cancel if the mean is large.
    """
    return nnx.LayerNorm(width, epsilon=1e-6, use_fast_variance=False, **settings)
