"""Layers whose plain form XLA lowers badly on some platform."""

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
Make = Callable[..., Any]  # a layer's class with some of its settings given

# What `jax.checkpoint` is to keep: results that are dear to work out again.
products = jax.checkpoint_policies.save_from_both_policies(
    jax.checkpoint_policies.dots_saveable,
    jax.checkpoint_policies.save_only_these_names(conv.NAME),
)


def max_pool_2x2(x: jax.Array) -> jax.Array:
    """[B, H, W, C] -> [B, H // 2, W // 2, C], the maximum of each 2x2 window.

    The maximum of four strided slices: on a CPU the gradient of `nnx.max_pool` is 10 to 30 times
    slower than theirs.
    """
    h, w = x.shape[1] // 2 * 2, x.shape[2] // 2 * 2
    return reduce(jnp.maximum, [_every_second(x, i, j, h, w) for i in (0, 1) for j in (0, 1)])


def avg_pool_2x2(x: jax.Array) -> jax.Array:
    """[B, H, W, C] -> [B, H // 2, W // 2, C], the mean of each 2x2 window."""
    h, w = x.shape[1] // 2 * 2, x.shape[2] // 2 * 2
    return reduce(jnp.add, [_every_second(x, i, j, h, w) for i in (0, 1) for j in (0, 1)]) / 4


def _every_second(x: jax.Array, i: int, j: int, h: int, w: int) -> jax.Array:
    """`x[:, i:h:2, j:w:2]`, which under an export's symbolic batch would be a gather."""
    return jax.lax.slice(x, (0, i, j, 0), (x.shape[0], h, w, x.shape[3]), (1, 2, 2, 1))


class Dropout(nnx.Module):
    """Dropout (Srivastava et al., JMLR 2014) that takes its key at the call and holds no state."""

    def __init__(self, rate: float):
        """`rate` is the share of values set to zero in training."""
        self.rate = rate

    def __call__(self, x: jax.Array, key: Key) -> jax.Array:
        """[...] -> [...]; the identity where `key` is None.

        A byte decides for each value, so that the rate is a multiple of 1/256.
        """
        dropped = round(self.rate * 256)
        if key is None or dropped == 0:
            return x
        kept = _random_bytes(key, x.shape) >= dropped
        return jnp.where(kept, x / (1 - dropped / 256), jnp.zeros_like(x))


def _random_bytes(key: jax.Array, shape: tuple[int, ...]) -> jax.Array:
    """uint8 of `shape`, four of each number that is drawn: drawing is what takes the time."""
    size = math.prod(shape[1:])
    words = jax.random.bits(key, (shape[0], -(-size // 4)), jnp.uint32)
    in_fours = jax.lax.bitcast_convert_type(words, jnp.uint8)
    return in_fours.reshape(shape[0], -1)[:, :size].reshape(shape)


class StochasticDepth(nnx.Module):
    """Leaves out a residual branch for some images (Huang et al., ECCV 2016); holds no state."""

    def __init__(self, rate: float):
        """`rate` is the share of images without the branch in training."""
        self.rate = rate

    def __call__(self, x: jax.Array, key: Key) -> jax.Array:
        """[B, ...] -> [B, ...]; the identity where `key` is None."""
        if key is None or self.rate == 0.0:
            return x
        kept = jax.random.bernoulli(key, 1 - self.rate, (len(x),) + (1,) * (x.ndim - 1))
        return jnp.where(kept, x / (1 - self.rate), jnp.zeros_like(x))


def split_key(key: Key, n: int) -> list[Key]:
    """`n` independent keys, or `n` Nones."""
    return [None] * n if key is None else list(jax.random.split(key, n))


def Conv(i: int, o: int, k: int, stride: int = 1, *, groups: int = 1, **settings) -> nnx.Conv:
    """nnx.Conv with a k x k kernel, by default k // 2 zeros around the map, and `conv2d`."""
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
    """[B, H, W, C] -> [B, ceil(H / 2), ceil(W / 2), C]: 3x3 windows, stride 2, one pixel around.

    Not `padded`, the windows lie inside: [B, (H - 1) // 2, (W - 1) // 2, C].
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
    """Batch norm with the momentum of torchvision."""
    return BatchNorm(width, momentum=0.9, epsilon=epsilon, **settings)


def layer_norm(width: int, **settings) -> nnx.LayerNorm:
    """nnx.LayerNorm with the epsilon of published transformers and ConvNeXts.

    The variance is that of the deviations: E[x^2] - E[x]^2 cancels where a mean is large.
    """
    return nnx.LayerNorm(width, epsilon=1e-6, use_fast_variance=False, **settings)
