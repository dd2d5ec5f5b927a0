"""ConvNeXt-T (Liu et al., "A ConvNet for the 2020s", CVPR 2022)."""

from functools import partial
from itertools import pairwise
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from agejax.models.layers import Conv, Key, Make, StochasticDepth, layer_norm, split_key
from agejax.models.weight_mapping import Published, expand

_WIDTHS = (96, 192, 384, 768)
_DEPTHS = (3, 3, 9, 3)

# Our name: the published name, for blocks, downsampling layers and the final norm.
_TORCHVISION = {
    "shrinks.{s}": "features.{even}.1",
    "shrink_norms.{s}": "features.{even}.0",
    "stages.{s}.{j}.depthwise": "features.{odd}.{j}.block.0",
    "stages.{s}.{j}.norm": "features.{odd}.{j}.block.2",
    "stages.{s}.{j}.widen": "features.{odd}.{j}.block.3",
    "stages.{s}.{j}.narrow": "features.{odd}.{j}.block.5",
    "stages.{s}.{j}.layer_scale": "features.{odd}.{j}.layer_scale",
}
_TORCHVISION_ENDS = {
    "shrinks.0": "features.0.0",
    "shrink_norms.0": "features.0.1",
    "norm": "classifier.0",
}
_TIMM = {
    "shrinks.{s}": "stages.{s}.downsample.1",
    "shrink_norms.{s}": "stages.{s}.downsample.0",
    "stages.{s}.{j}.depthwise": "stages.{s}.blocks.{j}.conv_dw",
    "stages.{s}.{j}.norm": "stages.{s}.blocks.{j}.norm",
    "stages.{s}.{j}.widen": "stages.{s}.blocks.{j}.mlp.fc1",
    "stages.{s}.{j}.narrow": "stages.{s}.blocks.{j}.mlp.fc2",
    "stages.{s}.{j}.layer_scale": "stages.{s}.blocks.{j}.gamma",
}
_TIMM_ENDS = {"shrinks.0": "stem.0", "shrink_norms.0": "stem.1", "norm": "head.norm"}


class ConvNeXtT(nnx.Module):
    """Four stages of 7x7 depthwise convolutions and wide pointwise layers; 27.8 million weights."""

    def __init__(
        self, *, stochastic_depth: float = 0.0, size: int, dtype: jnp.dtype, rngs: nnx.Rngs
    ):
        """`stochastic_depth` is the fraction of faces that skip the last block in training.

        Raises:
          ValueError: `size` is below 32, so that the feature map would be empty.
        """
        if size < 32:
            raise ValueError(f"ConvNeXtT needs at least 32 pixels a side, not {size}")
        init = nnx.initializers.truncated_normal(0.02)
        settings: dict[str, Any] = {"kernel_init": init, "dtype": dtype, "rngs": rngs}
        conv: Make = partial(Conv, **settings)
        linear: Make = partial(nnx.Linear, **settings)
        norm = partial(layer_norm, dtype=dtype, rngs=rngs)
        self.shrinks = nnx.List([conv(3, _WIDTHS[0], 4, 4, padding="VALID")])
        self.shrink_norms = nnx.List([norm(_WIDTHS[0])])
        for i, o in pairwise(_WIDTHS):
            self.shrinks.append(conv(i, o, 2, 2, padding="VALID"))
            self.shrink_norms.append(norm(i))
        rates = (stochastic_depth * i / (sum(_DEPTHS) - 1) for i in range(sum(_DEPTHS)))
        self.stages = nnx.List(
            nnx.List(_Block(width, next(rates), conv, linear, norm) for _ in range(depth))
            for width, depth in zip(_WIDTHS, _DEPTHS, strict=True)
        )
        self.features = _WIDTHS[-1]
        self.norm = norm(self.features)

    def __call__(self, x: jax.Array, key: Key) -> jax.Array:
        """[B, H, W, 3] normalised pixels -> [B, 768] features."""
        keys = iter(split_key(key, sum(_DEPTHS)))
        for i, blocks in enumerate(self.stages):
            shrink, norm = self.shrinks[i], self.shrink_norms[i]
            x = shrink(norm(x)) if i else norm(shrink(x))  # the stem has its norm last
            for block in blocks:
                x = block(x, next(keys))
        return self.norm(x.mean((1, 2)))

    def by_depth(self) -> list[tuple[str, ...]]:
        """The names of its parts: four stages, each with its downsampling, and the final norm."""
        names = ("shrinks", "shrink_norms", "stages")
        stages = [tuple(f"{name}.{i}" for name in names) for i in range(len(_DEPTHS))]
        return [*stages, ("norm",)]

    @classmethod
    def published(cls) -> list[Published]:
        """The names of torchvision and of timm."""
        expects = "normalise with agejax.models.multitask:imagenet"
        return [
            Published(expand(blocks, _DEPTHS) | ends, skipped, expects)
            for blocks, ends, skipped in (
                (_TORCHVISION, _TORCHVISION_ENDS, ("classifier.2.",)),
                (_TIMM, _TIMM_ENDS, ("head.fc.",)),
            )
        ]


class _Block(nnx.Module):
    def __init__(self, width, rate, conv, linear, norm):
        self.depthwise, self.norm = conv(width, width, 7, groups=width), norm(width)
        self.widen, self.narrow = linear(width, 4 * width), linear(4 * width, width)
        self.layer_scale = nnx.Param(jnp.full(width, 1e-6))  # Touvron et al., ICCV 2021
        self.drop = StochasticDepth(rate)

    def __call__(self, x, key):
        y = nnx.gelu(self.widen(self.norm(self.depthwise(x))), approximate=False)
        scale = self.layer_scale[...].astype(x.dtype)[None, None, None]
        return x + self.drop(self.narrow(y) * scale, key)
