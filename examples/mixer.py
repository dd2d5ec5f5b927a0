"""A custom trunk, with everything that agejax requires of one. configs/own_trunk.py trains it."""

from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx


class Mixer(nnx.Module):
    """MLP-Mixer (Tolstikhin et al., NeurIPS 2021): mixes patches, then channels, `depth` times.

    A trunk takes `size` (side in pixels), `dtype` (of the computation), `rngs`, and the settings in
    `config.model.args`. It declares its number of `features`. The normalisation, heads, losses,
    checkpoints, evaluation and prediction come from agejax.
    """

    def __init__(
        self,
        *,
        patch: int = 8,
        width: int = 64,
        depth: int = 4,
        size: int,
        dtype: jnp.dtype,
        rngs: nnx.Rngs,
    ):
        """Patches of `patch` pixels a side become tokens of `width` channels."""
        if size % patch:
            raise ValueError(f"{size} pixels do not divide into patches of {patch}")
        make: dict[str, Any] = {"dtype": dtype, "rngs": rngs}
        self.patch = patch
        self.embed = nnx.Linear(3 * patch**2, width, **make)
        tokens = (size // patch) ** 2
        self.blocks = nnx.List(_Block(tokens, width, **make) for _ in range(depth))
        self.norm = nnx.LayerNorm(width, **make)
        self.features = width

    def __call__(self, x: jax.Array, key: jax.Array | None) -> jax.Array:
        """[B, size, size, 3] normalised pixels -> [B, features]; `key` is None at inference.

        B is `x.shape[0]`, not `len(x)`: in an export for any batch size it is not a number.
        """
        del key  # random key in training, for example for dropout
        n, p, side = x.shape[0], self.patch, x.shape[1] // self.patch
        patches = x.reshape(n, side, p, side, p, 3).transpose(0, 1, 3, 2, 4, 5)
        x = self.embed(patches.reshape(n, side**2, 3 * p**2))
        for block in self.blocks:
            x = block(x)
        return self.norm(x).mean(1)


class _Block(nnx.Module):
    def __init__(self, tokens: int, width: int, *, dtype: jnp.dtype, rngs: nnx.Rngs):
        make: dict[str, Any] = {"dtype": dtype, "rngs": rngs}
        self.norms = nnx.List(nnx.LayerNorm(width, **make) for _ in range(2))
        self.over_tokens = nnx.List(_pair(tokens, 2 * tokens, make))
        self.over_channels = nnx.List(_pair(width, 2 * width, make))

    def __call__(self, x: jax.Array) -> jax.Array:
        into, out = self.over_tokens
        x = x + out(nnx.gelu(into(self.norms[0](x).swapaxes(1, 2)))).swapaxes(1, 2)
        into, out = self.over_channels
        return x + out(nnx.gelu(into(self.norms[1](x))))


def _pair(width: int, hidden: int, make: dict) -> tuple[nnx.Linear, nnx.Linear]:
    return nnx.Linear(width, hidden, **make), nnx.Linear(hidden, width, **make)
