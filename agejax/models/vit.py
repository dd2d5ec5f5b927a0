"""ViT-S/16 (Dosovitskiy et al., "An image is worth 16x16 words", ICLR 2021).

The small variant is from Touvron et al., "Training data-efficient image transformers", ICML 2021.
As in timm: a class token, layer norm before each branch, exact GELU.
"""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from agejax.models.layers import Conv, Key, StochasticDepth, layer_norm, split_key
from agejax.models.weight_mapping import Published, expand

_WIDTH, _DEPTH, _HEADS, _PATCH = 384, 12, 6, 16
_BLOCK = {  # our name: timm's
    "blocks.{i}.norm1": "blocks.{i}.norm1",
    "blocks.{i}.qkv": "blocks.{i}.attn.qkv",
    "blocks.{i}.join": "blocks.{i}.attn.proj",
    "blocks.{i}.norm2": "blocks.{i}.norm2",
    "blocks.{i}.widen": "blocks.{i}.mlp.fc1",
    "blocks.{i}.narrow": "blocks.{i}.mlp.fc2",
}


class ViTS16(nnx.Module):
    """Twelve transformer blocks over patches of 16 pixels; 21.7 million weights at 224 pixels."""

    def __init__(
        self, *, stochastic_depth: float = 0.0, size: int, dtype: jnp.dtype, rngs: nnx.Rngs
    ):
        """`stochastic_depth` is the fraction of faces that skip the last block in training.

        Raises:
          ValueError: `size` is not a multiple of 16.
        """
        if size % _PATCH:
            raise ValueError(
                f"ViTS16 needs a size that divides into patches of {_PATCH}, not {size}"
            )
        init = nnx.initializers.truncated_normal(0.02)
        settings: dict[str, Any] = {"kernel_init": init, "dtype": dtype, "rngs": rngs}
        tokens = 1 + (size // _PATCH) ** 2
        self.patches = Conv(3, _WIDTH, _PATCH, _PATCH, padding="VALID", **settings)
        self.class_token = nnx.Param(init(rngs.params(), (_WIDTH,)))
        self.position = nnx.Param(init(rngs.params(), (tokens, _WIDTH)))  # the class token first
        linear, norm = partial(nnx.Linear, **settings), partial(layer_norm, dtype=dtype, rngs=rngs)
        rates = [stochastic_depth * i / (_DEPTH - 1) for i in range(_DEPTH)]
        self.blocks = nnx.List(_Block(rate, linear, norm) for rate in rates)
        self.norm = norm(_WIDTH)
        self.features = _WIDTH

    def __call__(self, x: jax.Array, key: Key) -> jax.Array:
        """[B, size, size, 3] normalised pixels -> [B, 384], the class token of the last block."""
        x = self.patches(x)
        x = x.reshape(x.shape[0], -1, _WIDTH)
        first = jnp.broadcast_to(self.class_token[...].astype(x.dtype), (x.shape[0], 1, _WIDTH))
        x = jnp.concatenate([first, x], 1) + self.position[...].astype(x.dtype)[None]
        for block, k in zip(self.blocks, split_key(key, _DEPTH), strict=True):
            x = block(x, k)
        return self.norm(x[:, 0])

    def by_depth(self) -> list[tuple[str, ...]]:
        """The names of its parts by depth: the embeddings, each block, and the norm."""
        blocks = [(f"blocks.{i}",) for i in range(_DEPTH)]
        return [("patches", "class_token", "position"), *blocks, ("norm",)]

    @classmethod
    def published(cls) -> list[Published]:
        """The names of timm, which DeiT shares."""
        names = {
            "patches": "patch_embed.proj",
            "class_token": "cls_token",
            "position": "pos_embed",
            "norm": "norm",
        }
        expects = "normalise with agejax.models.multitask:to_unit, or imagenet for DeiT"
        return [Published(names | expand(_BLOCK, (_DEPTH,)), ("head.",), expects)]


class _Block(nnx.Module):
    def __init__(self, rate, linear, norm):
        self.norm1, self.norm2 = norm(_WIDTH), norm(_WIDTH)
        self.qkv, self.join = linear(_WIDTH, 3 * _WIDTH), linear(_WIDTH, _WIDTH)
        self.widen, self.narrow = linear(_WIDTH, 4 * _WIDTH), linear(4 * _WIDTH, _WIDTH)
        self.drop = StochasticDepth(rate)

    def __call__(self, x, key):
        a, b = split_key(key, 2)
        x = x + self.drop(self._attend(self.norm1(x)), a)
        y = nnx.gelu(self.widen(self.norm2(x)), approximate=False)
        return x + self.drop(self.narrow(y), b)

    def _attend(self, x):
        """[B, T, 384] -> [B, T, 384]."""
        heads = self.qkv(x).reshape(*x.shape[:2], 3, _HEADS, -1)
        q, k, v = (heads[:, :, i] for i in range(3))
        return self.join(jax.nn.dot_product_attention(q, k, v).reshape(x.shape))
