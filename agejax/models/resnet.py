"""ResNets (He et al., "Deep residual learning for image recognition", CVPR 2016).

As in torchvision, the stride of a bottleneck is in its 3x3 convolution.
"""

from collections.abc import Sequence
from functools import partial
from itertools import accumulate, pairwise

import jax
import jax.numpy as jnp
from flax import nnx

from agejax.kernels.conv_norm import RELU, conv_norm
from agejax.models.layers import Conv, Key, batch_norm, max_pool_3x3
from agejax.models.weight_mapping import Published, expand

_BLOCK = {  # our name: torchvision's
    "blocks.{i}.convs.0": "layer{next}.{j}.conv1",
    "blocks.{i}.norms.0": "layer{next}.{j}.bn1",
    "blocks.{i}.convs.1": "layer{next}.{j}.conv2",
    "blocks.{i}.norms.1": "layer{next}.{j}.bn2",
    "blocks.{i}.convs.2": "layer{next}.{j}.conv3",
    "blocks.{i}.norms.2": "layer{next}.{j}.bn3",
    "blocks.{i}.shortcut": "layer{next}.{j}.downsample.0",
    "blocks.{i}.shortcut_norm": "layer{next}.{j}.downsample.1",
}


class ResNet18(nnx.Module):
    """A 7x7 stem, four stages of residual blocks, global average pooling; 11.2 million weights."""

    depths: Sequence[int] = (2, 2, 2, 2)  # blocks in each stage
    bottleneck = False  # blocks of 1x1, 3x3 and 1x1 convolutions instead of two 3x3

    def __init__(self, *, size: int, dtype: jnp.dtype, rngs: nnx.Rngs):
        """For images of any size, computing in `dtype`."""
        del size  # the features are averaged over the map
        conv = partial(Conv, use_bias=False, dtype=dtype, rngs=rngs)
        norm = partial(batch_norm, dtype=dtype, rngs=rngs)
        self.stem, self.norm = conv(3, 64, 7, 2), norm(64)
        self.blocks: nnx.List = nnx.List()
        channels = 64
        for i, depth in enumerate(self.depths):
            for j in range(depth):
                stride = 2 if i and not j else 1
                block = _Block(channels, 64 * 2**i, stride, self.bottleneck, conv, norm)
                self.blocks.append(block)
                channels = block.features
        self.features = channels

    def __call__(self, x: jax.Array, key: Key) -> jax.Array:
        """[B, H, W, 3] normalised pixels -> [B, 512], or [B, 2048] with bottlenecks."""
        x = conv_norm(self.stem, self.norm, x, training=key is not None, up_to=RELU)
        x = max_pool_3x3(x)
        for block in self.blocks:
            x = block(x, key)
        return x.mean((1, 2))

    def by_depth(self) -> list[tuple[str, ...]]:
        """The names of its parts by stage: the stem, and four stages of blocks."""
        ends = pairwise([0, *accumulate(self.depths)])
        return [("stem", "norm"), *(tuple(f"blocks.{i}" for i in range(a, b)) for a, b in ends)]

    @classmethod
    def published(cls) -> list[Published]:
        """The names of torchvision, which timm shares."""
        names = {"stem": "conv1", "norm": "bn1"} | expand(_BLOCK, cls.depths)
        return [Published(names, ("fc.",), "normalise with agejax.models.multitask:imagenet")]


class ResNet50(ResNet18):
    """The deeper version, with bottlenecks; 23.5 million weights."""

    depths = (3, 4, 6, 3)
    bottleneck = True


class _Block(nnx.Module):
    def __init__(self, channels, width, stride, bottleneck, conv, norm):
        self.features = width * (4 if bottleneck else 1)
        shapes = [(channels, width, 3, stride), (width, width, 3, 1)]
        if bottleneck:
            shapes = [(channels, width, 1, 1), (width, width, 3, stride), (width, 4 * width, 1, 1)]
        self.convs = nnx.List(conv(*shape) for shape in shapes)
        self.norms = nnx.List(norm(shape[1]) for shape in shapes)
        same = stride == 1 and channels == self.features
        self.shortcut = None if same else conv(channels, self.features, 1, stride)
        self.shortcut_norm = None if same else norm(self.features)

    def __call__(self, x, key):
        y, layer = x, partial(conv_norm, training=key is not None)
        for i, (conv, norm) in enumerate(zip(self.convs, self.norms, strict=True), 1):
            y = layer(conv, norm, y, up_to=RELU if i < len(self.convs) else None)
        if self.shortcut is not None:
            x = layer(self.shortcut, self.shortcut_norm, x)  # type: ignore[arg-type]
        return nnx.relu(x + y)
