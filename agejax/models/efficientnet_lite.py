"""EfficientNet-Lite0: EfficientNet without squeeze-and-excitation, with ReLU6.

Tan and Le, "EfficientNet: rethinking model scaling for convolutional neural networks", ICML 2019;
the Lite variants are TensorFlow's, 2020.
"""

from functools import partial

import jax
import jax.numpy as jnp
from flax import nnx

from agejax.models.layers import Conv, Dropout, Key, batch_norm

# expansion, width, depth, stride, kernel of each stage of inverted residuals
_STAGES = (
    (1, 16, 1, 1, 3),
    (6, 24, 2, 2, 3),
    (6, 40, 2, 2, 5),
    (6, 80, 3, 2, 3),
    (6, 112, 3, 1, 5),
    (6, 192, 4, 2, 5),
    (6, 320, 1, 1, 3),
)


class EfficientNetLite0(nnx.Module):
    """Inverted residuals with linear bottlenecks, 1,280 features, 3.4 million weights."""

    def __init__(self, *, dropout: float = 0.2, size: int, dtype: jnp.dtype, rngs: nnx.Rngs):
        """`dropout` is that of the features."""
        del size  # any size: the features are averaged over the map
        conv = partial(Conv, use_bias=False, dtype=dtype, rngs=rngs)
        norm = partial(batch_norm, epsilon=1e-3, dtype=dtype, rngs=rngs)
        self.stem, self.stem_norm = conv(3, 32, 3, 2), norm(32)
        self.blocks: nnx.List = nnx.List()
        channels = 32
        for expand, width, depth, stride, k in _STAGES:
            for j in range(depth):
                s = 1 if j else stride
                self.blocks.append(_Block(channels, width, expand, s, k, conv, norm))
                channels = width
        self.features = 1280
        self.last, self.last_norm = conv(channels, self.features, 1), norm(self.features)
        self.dropout = Dropout(dropout)

    def __call__(self, x: jax.Array, key: Key) -> jax.Array:
        """[B, H, W, 3] normalised pixels -> [B, 1280] features."""
        x = nnx.relu6(self.stem_norm(self.stem(x), key is None))
        for block in self.blocks:
            x = block(x, key)
        x = nnx.relu6(self.last_norm(self.last(x), key is None))
        return self.dropout(x.mean((1, 2)), key)


class _Block(nnx.Module):
    """Expand by a pointwise convolution, filter each channel, project by a pointwise one."""

    def __init__(self, channels, width, expand, stride, k, conv, norm):
        inner = channels * expand
        self.expand = conv(channels, inner, 1) if expand > 1 else None
        self.expand_norm = norm(inner) if expand > 1 else None
        self.depthwise = conv(inner, inner, k, stride, groups=inner)
        self.depthwise_norm = norm(inner)
        self.project, self.project_norm = conv(inner, width, 1), norm(width)
        self.residual = stride == 1 and channels == width

    def __call__(self, x, key):
        y = x
        if self.expand is not None:
            y = nnx.relu6(self.expand_norm(self.expand(y), key is None))  # type: ignore[misc]
        y = nnx.relu6(self.depthwise_norm(self.depthwise(y), key is None))
        y = self.project_norm(self.project(y), key is None)
        return x + y if self.residual else y
