"""Trunks as Flax users write them, without a word of agejax."""

import jax
import jax.numpy as jnp
from flax import nnx


class Plain(nnx.Module):
    """Batch norm and dropout follow the module's mode; a variable of its own counts the calls."""

    def __init__(self, width: int = 8, *, rngs: nnx.Rngs):
        self.conv = nnx.Conv(3, width, (3, 3), strides=2, rngs=rngs)
        self.norm = nnx.BatchNorm(width, momentum=0.5, rngs=rngs)
        self.dropout = nnx.Dropout(0.2, rngs=rngs)
        self.calls = nnx.Variable(jnp.int32(0))

    def __call__(self, x: jax.Array) -> jax.Array:
        self.calls[...] += 1
        return self.dropout(nnx.relu(self.norm(self.conv(x)))).mean((1, 2))


class WithRngs(nnx.Module):
    """Randomness is handed in at the call, as `rngs`."""

    def __init__(self, size: int, *, rngs: nnx.Rngs):
        self.linear = nnx.Linear(size * size * 3, 8, rngs=rngs)
        self.dropout = nnx.Dropout(0.5)

    def __call__(self, x: jax.Array, *, rngs: nnx.Rngs | None = None) -> jax.Array:
        return self.dropout(self.linear(x.reshape(x.shape[0], -1)), rngs=rngs)


class AlwaysOfTheBatch(Plain):
    """Batch norm that is made with the statistics of the batch, whatever the mode."""

    def __init__(self, *, rngs: nnx.Rngs):
        super().__init__(rngs=rngs)
        self.norm = nnx.BatchNorm(8, use_running_average=False, rngs=rngs)


class Maps(nnx.Module):
    """No trunk: its result is a map."""

    def __init__(self, *, rngs: nnx.Rngs):
        self.conv = nnx.Conv(3, 4, (3, 3), rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        return self.conv(x)
