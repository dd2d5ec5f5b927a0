"""Two convolutional trunks: the tutorial's, and a smaller and more accurate one."""

from collections.abc import Sequence
from itertools import pairwise

import jax
import jax.numpy as jnp
from flax import nnx

from agejax.kernels.conv_norm import RELU, conv_norm
from agejax.models.layers import Conv, Dropout, Key, batch_norm, max_pool_2x2, split_key


class TutorialCNN(nnx.Module):
    """The tutorial's network: three 5x5 convolutions, each pooled, and a wide dense layer.

    At 224 pixels, 98% of its 105 million weights (including the heads' dense layers) are in the
    matrix after the last pooling.
    """

    def __init__(self, *, size: int, dtype: jnp.dtype, rngs: nnx.Rngs):
        """For images of `size` pixels a side, computing in `dtype`."""
        channels = (3, 32, 64, 128)
        self.convs = nnx.List(Conv(i, o, 5, dtype=dtype, rngs=rngs) for i, o in pairwise(channels))
        self.dropouts = nnx.List(Dropout(rate) for rate in (0.2, 0.4, 0.7))
        self.dense = nnx.Linear((size // 8) ** 2 * 128, 1024, dtype=dtype, rngs=rngs)
        self.dropout = Dropout(0.4)
        self.features = 1024

    def __call__(self, x: jax.Array, key: Key) -> jax.Array:
        """[B, size, size, 3] normalised pixels -> [B, 1024] features."""
        *keys, last = split_key(key, 4)
        for conv, dropout, k in zip(self.convs, self.dropouts, keys, strict=True):
            x = dropout(max_pool_2x2(nnx.relu(conv(x))), k)
        return self.dropout(nnx.relu(self.dense(x.reshape(x.shape[0], -1))), last)

    def by_depth(self) -> list[tuple[str, ...]]:
        """The names of its parts: three convolutions and the dense layer."""
        return [*((f"convs.{i}",) for i in range(len(self.convs))), ("dense",)]


class SmallCNN(nnx.Module):
    """A strided stem, stages of 3x3 convolutions with batch norm, and global average pooling.

    Batch norm: Ioffe and Szegedy, ICML 2015. Global pooling in place of a dense layer: Lin et al.,
    "Network in network", ICLR 2014. The strided stem concentrates the work in layers with many
    channels, which are efficient on every platform.
    """

    def __init__(
        self,
        *,
        widths: Sequence[int] = (32, 64, 128, 256),
        depths: Sequence[int] = (2, 2, 2, 2),
        dropout: float = 0.3,
        size: int,
        dtype: jnp.dtype,
        rngs: nnx.Rngs,
    ):
        """A stage of `depths[i]` convolutions of `widths[i]` channels for each i."""
        del size  # any size: the features are averaged over the map
        self.stages: nnx.List = nnx.List()
        channels = 3
        for width, depth in zip(widths, depths, strict=True):
            blocks: nnx.List = nnx.List()
            for _ in range(depth):
                stride = 2 if channels == 3 else 1
                blocks.append(_ConvNorm(channels, width, stride, dtype=dtype, rngs=rngs))
                channels = width
            self.stages.append(blocks)
        self.dropout = Dropout(dropout)
        self.features = channels

    def __call__(self, x: jax.Array, key: Key) -> jax.Array:
        """[B, H, W, 3] normalised pixels -> [B, widths[-1]] features."""
        for i, blocks in enumerate(self.stages):
            x = max_pool_2x2(x) if i else x
            for block in blocks:
                x = block(x, key)
        return self.dropout(x.mean((1, 2)), key)

    def by_depth(self) -> list[tuple[str, ...]]:
        """The names of its parts, stage by stage."""
        return [(f"stages.{i}",) for i in range(len(self.stages))]


class _ConvNorm(nnx.Module):
    def __init__(self, channels: int, width: int, stride: int, *, dtype: jnp.dtype, rngs: nnx.Rngs):
        self.conv = Conv(
            channels, width, 3, stride, padding="SAME", use_bias=False, dtype=dtype, rngs=rngs
        )
        self.norm = batch_norm(width, dtype=dtype, rngs=rngs)

    def __call__(self, x: jax.Array, key: Key) -> jax.Array:
        return conv_norm(self.conv, self.norm, x, training=key is not None, up_to=RELU)
