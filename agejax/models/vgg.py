"""VGG-16 (Simonyan and Zisserman, "Very deep convolutional networks", ICLR 2015).

The trunk of DEX, which introduced age estimation as classification (Rothe, Timofte and Van Gool,
"DEX: deep expectation of apparent age from a single image", ICCV workshops 2015; IJCV 2018).
"""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from agejax.models.layers import Conv, Dropout, Key, Make, max_pool_2x2, split_key
from agejax.models.weight_mapping import Published

_WIDTHS = (64, 128, 256, 512, 512)  # per stage
_DEPTHS = (2, 2, 3, 3, 3)
_SIDE = 7  # of the input map of the dense layers: 7x7 for 224 pixels


class VGG16(nnx.Module):
    """Thirteen 3x3 convolutions in five pooled stages, two dense layers; 134.3 million weights.

    As in torchvision, a map of another size is averaged or repeated to 7x7 before the dense layers,
    so that published weights work at any size from 32 pixels on.
    """

    def __init__(self, *, dropout: float = 0.5, size: int, dtype: jnp.dtype, rngs: nnx.Rngs):
        """`dropout` is the rate after each dense layer.

        Raises:
          ValueError: `size` is below 32, so that the feature map would be empty.
        """
        if size < 32:
            raise ValueError(f"VGG16 needs at least 32 pixels a side, not {size}")
        # Without batch norm it only trains with an initialisation for ReLU (He et al., ICCV 2015).
        settings: dict[str, Any] = {
            "kernel_init": nnx.initializers.he_normal(),
            "dtype": dtype,
            "rngs": rngs,
        }
        conv: Make = partial(Conv, **settings)
        dense: Make = partial(nnx.Linear, **settings)
        self.stages: nnx.List = nnx.List()
        channels = 3
        for width, depth in zip(_WIDTHS, _DEPTHS, strict=True):
            self.stages.append(
                nnx.List(conv(width if j else channels, width, 3) for j in range(depth))
            )
            channels = width
        self.features = 4096
        self.dense = nnx.List([dense(_SIDE**2 * channels, 4096), dense(4096, self.features)])
        self.dropout = Dropout(dropout)

    def __call__(self, x: jax.Array, key: Key) -> jax.Array:
        """[B, size, size, 3] normalised pixels -> [B, 4096] features."""
        for convs in self.stages:
            for conv in convs:
                x = nnx.relu(conv(x))
            x = max_pool_2x2(x)
        x = _to_side(_to_side(x, 1), 2)
        x = x.transpose(0, 3, 1, 2).reshape(x.shape[0], -1)  # channels first, as published
        for dense, k in zip(self.dense, split_key(key, 2), strict=True):
            x = self.dropout(nnx.relu(dense(x)), k)
        return x

    def by_depth(self) -> list[tuple[str, ...]]:
        """The names of its parts: five stages of convolutions, and two dense layers."""
        return [*((f"stages.{i}",) for i in range(len(_DEPTHS))), ("dense.0",), ("dense.1",)]

    @classmethod
    def published(cls) -> list[Published]:
        """The names of torchvision and of timm."""
        # Published indices count every convolution, its ReLU, and the pooling after a stage.
        places = ((s, j) for s, depth in enumerate(_DEPTHS) for j in range(depth))
        convs = {f"stages.{s}.{j}": f"features.{2 * i + s}" for i, (s, j) in enumerate(places)}
        expects = "normalise with agejax.models.multitask:imagenet"
        return [
            Published({**convs, "dense.0": a, "dense.1": b}, skipped, expects)
            for a, b, skipped in (
                ("classifier.0", "classifier.3", ("classifier.6.",)),
                ("pre_logits.fc1", "pre_logits.fc2", ("head.",)),
            )
        ]


def _to_side(x: jax.Array, axis: int) -> jax.Array:
    """Averages an axis of length n to 7: the i-th from floor(i n / 7) up to ceil((i + 1) n / 7)."""
    n = x.shape[axis]
    if n == _SIDE:
        return x
    bins = [(i * n // _SIDE, -(-(i + 1) * n // _SIDE)) for i in range(_SIDE)]
    return jnp.stack([jax.lax.slice_in_dim(x, a, b, axis=axis).mean(axis) for a, b in bins], axis)
