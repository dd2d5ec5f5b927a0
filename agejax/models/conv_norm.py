"""A convolution, batch norm and perhaps a ReLU; at inference one operation on a CPU."""

import math
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from agejax.models import library
from agejax.models.conv import pads_of, plain
from agejax.models.norm import BatchNorm

RELU, RELU6 = math.inf, 6.0  # where it ends


def conv_norm(
    conv: nnx.Conv, norm: BatchNorm, x: jax.Array, *, training: bool, up_to: float | None = None
) -> jax.Array:
    """[B, H, W, C] -> [B, H', W', K]: `norm(conv(x))`, clipped to 0..`up_to` unless that is None.

    At inference batch norm is a factor and an offset for each channel. Where a CPU's library is in
    use, they go into kernel and bias, and the clipping into the same pass over memory: XLA writes a
    map, reads it, and writes it again. `conv` must have no bias.
    """
    layers = library.in_use()
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
    cpu = partial(layers.convolve_and_clip, up_to=up_to, **settings)

    def default(x, w, b):  # where the same program is lowered for another platform
        y = plain(x, w, **settings) + b[None, None, None]
        return y if up_to is None else jnp.clip(y, 0, up_to)

    return jax.lax.platform_dependent(x, w, b, cpu=cpu, default=default)
