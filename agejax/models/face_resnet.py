"""dlib's face recognition network: a ResNet trained to distinguish 7,485 persons.

King, "High quality face recognition with deep metric learning", blog.dlib.net, 2017: the ResNet-34
of He et al. (CVPR 2016) with fewer layers and half as many filters, without weights in its
shortcuts. It was trained on three million faces, so that its features suit other face tasks.
"""

from functools import partial
from itertools import accumulate, pairwise

import jax
import jax.numpy as jnp
from flax import nnx

from agejax.kernels.conv_norm import RELU, conv_bias
from agejax.models.initial import initial
from agejax.models.layers import Dropout, Key, avg_pool_2x2, max_pool_3x3
from agejax.models.weight_mapping import Published

_STAGES = ((32, 3), (64, 4), (128, 3), (256, 3), (256, 1))  # filters and blocks


def to_face(image: jax.Array) -> jax.Array:
    """[B, H, W, 3] in 0..255 -> minus the mean colour of dlib's training faces, divided by 256."""
    return (image - jnp.array([122.782, 117.001, 104.298])[None, None, None]) / 256


class FaceResNet(nnx.Module):
    """29 convolutions, 256 features, 5.6 million weights; without batch norm.

    dlib's was trained with batch norm, folded into a scale and a bias per filter in the published
    weights: training batches are then processed like single faces.
    """

    def __init__(self, *, dropout: float = 0.2, size: int, dtype: jnp.dtype, rngs: nnx.Rngs):
        """A trunk for images of 11 pixels a side and more.

        Args:
          dropout: rate of dropout on the features.
          size: side in pixels; the published weights were trained at 150.
          dtype: dtype of the computation.
          rngs: for the initial weights.

        Raises:
          ValueError: the image is so small that the feature map would be empty.
        """
        if size < 11:
            raise ValueError(f"FaceResNet needs at least 11 pixels a side, not {size}")
        conv = partial(_Conv, dtype=dtype, rngs=rngs)
        self.stem = conv(3, 32, 7, 2)
        self.blocks: nnx.List = nnx.List()
        channels = 32
        for stage, (width, depth) in enumerate(_STAGES):
            for j in range(depth):
                self.blocks.append(_Block(channels, width, stage > 0 and j == 0, conv))
                channels = width
        self.features = channels
        self.dropout = Dropout(dropout)

    def __call__(self, x: jax.Array, key: Key) -> jax.Array:
        """[B, H, W, 3] normalised pixels -> [B, 256] features."""
        training = key is not None
        x = max_pool_3x3(self.stem(x, training, RELU), padded=False)
        for block in self.blocks:
            x = block(x, training)
        return self.dropout(x.mean((1, 2)), key)

    def by_depth(self) -> list[tuple[str, ...]]:
        """The names of its parts by stage: the stem, and five stages of blocks."""
        ends = pairwise([0, *accumulate(depth for _, depth in _STAGES)])
        return [("stem",), *(tuple(f"blocks.{i}" for i in range(a, b)) for a, b in ends)]

    @classmethod
    def published(cls) -> list[Published]:
        """The names that `agejax.pretrained.dlib` gives to the arrays of dlib's file."""
        names = {"stem": "con.0"}
        for i in range(sum(depth for _, depth in _STAGES)):
            names |= {
                f"blocks.{i}.first": f"con.{2 * i + 1}",
                f"blocks.{i}.second": f"con.{2 * i + 2}",
            }
        names |= {f"{ours}.scale": f"{theirs}.scale" for ours, theirs in names.items()}
        expects = "faces of 150 pixels a side, agejax.models.face_resnet:to_face"
        return [Published(names, ("fc.",), expects)]


class _Conv(nnx.Module):
    """A convolution with a scale and a bias for each filter."""

    def __init__(self, i, o, k, stride, *, dtype, rngs):
        make = nnx.initializers.he_normal()
        self.kernel = nnx.Param(initial(make, rngs, (k, k, i, o)))
        self.scale = nnx.Param(jnp.ones(o))
        self.bias = nnx.Param(jnp.zeros(o))
        self.stride, self.dtype = stride, dtype
        pad = k // 2 if stride == 1 else 0
        self.pads = ((pad, pad), (pad, pad))

    def __call__(self, x, training, up_to):
        w = self.kernel[...] * self.scale[...][None, None, None]
        x, w, b = (v.astype(self.dtype) for v in (x, w, self.bias[...]))
        return conv_bias(
            x, w, b, training=training, up_to=up_to, stride=self.stride, pads=self.pads
        )


class _Block(nnx.Module):
    def __init__(self, channels, width, down, conv):
        self.down = down
        self.first = conv(channels, width, 3, 2 if down else 1)
        self.second = conv(width, width, 3, 1)

    def __call__(self, x, training):
        if self.down:
            x = _padded(x, (3, 3, 0))  # if the map is smaller than the filters
        y = self.second(self.first(x, training, RELU), training, None)
        if self.down:
            x = avg_pool_2x2(x)
        x, y = _padded(x, y.shape[1:]), _padded(y, x.shape[1:])
        return nnx.relu(x + y)


def _padded(x: jax.Array, least: tuple[int, ...]) -> jax.Array:
    """[B, H, W, C] zero-padded after height, width and channels to at least `least` of each."""
    more = [(0, max(0, n - m)) for n, m in zip(least, x.shape[1:], strict=True)]
    return jnp.pad(x, [(0, 0), *more])
