"""A convolution, batch norm and an optional ReLU; at inference one operation on a CPU."""

import math
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from agejax.kernels import dispatch
from agejax.kernels.conv import conv2d, pads_of, plain
from agejax.kernels.dispatch import Pads
from agejax.kernels.norm import BatchNorm

RELU, RELU6 = math.inf, 6.0  # upper bounds


def conv_norm(
    conv: nnx.Conv, norm: BatchNorm, x: jax.Array, *, training: bool, up_to: float | None = None
) -> jax.Array:
    """[B, H, W, C] -> [B, H', W', K]: `norm(conv(x))`, clipped to 0..`up_to` unless that is None.

    At inference batch norm is a factor and an offset for each channel. Where a CPU's library is in
    use, they go into kernel and bias, and the clipping into the same pass over memory: XLA writes a
    map, reads it, and writes it again. `conv` must have no bias.
    """
    layers = dispatch.in_use()
    if training or layers is None or x.dtype != jnp.float32:
        y = norm(conv(x), not training, relu=up_to is not None)
        return y if up_to is None or math.isinf(up_to) else jnp.minimum(y, up_to)
    statistics = (norm.scale, norm.bias, norm.mean, norm.var)
    scale, bias, mean, variance = (v[...] for v in statistics if v is not None)
    factor = scale * jax.lax.rsqrt(variance + norm.epsilon)
    w, b = conv.kernel[...] * factor[None, None, None], bias - mean * factor
    stride: Any = conv.strides  # one number here, by `layers.Conv`
    padding: Any = conv.padding
    settings = {"stride": stride, "groups": conv.feature_group_count}
    settings["pads"] = pads_of(x, w, (stride, stride), padding)
    return conv_bias(x, w, b, training=False, up_to=up_to, **settings)


def conv_bias(
    x: jax.Array,
    w: jax.Array,
    b: jax.Array,
    *,
    training: bool,
    up_to: float | None,
    stride: int,
    pads: Pads,
    groups: int = 1,
) -> jax.Array:
    """[B, H, W, C] -> [B, H', W', K]: a convolution by `w` and `b`, clipped as in `conv_norm`."""
    layers = dispatch.in_use()
    settings: Any = {"stride": stride, "pads": pads, "groups": groups}

    def default(x, w, b):  # also where the same program is lowered for another platform
        return _clipped(plain(x, w, **settings) + b[None, None, None], up_to)

    if training or layers is None or x.dtype != jnp.float32:
        y = conv2d(x, w, (stride, stride), pads, feature_group_count=groups)
        return _clipped(y + b[None, None, None], up_to)
    cpu = partial(layers.convolve_and_clip, up_to=up_to, **settings)
    return jax.lax.platform_dependent(x, w, b, cpu=cpu, default=default)


def _clipped(y: jax.Array, up_to: float | None) -> jax.Array:
    if up_to is None:
        return y
    y = nnx.relu(y)
    return y if math.isinf(up_to) else jnp.minimum(y, up_to)
