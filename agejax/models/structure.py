"""Splits a Flax NNX model into a static structure and plain dicts of arrays, and merges them."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from agejax.types import Tree, Weights


@dataclasses.dataclass(frozen=True)
class Structure:
    """Everything of a model except its arrays.

    Random state, such as that of an `nnx.Dropout`, is not stored with the weights: every merge
    reinitialises it, so that a step depends on its key alone and checkpoints hold no keys.

    Attributes:
      graph: Flax's graph definition.
      random: the shapes of the model's `nnx.RngState`, a pure dict.
    """

    graph: nnx.GraphDef
    random: Tree

    def merge(self, params: Tree, stats: Tree, key: jax.Array | None = None) -> Any:
        """The model with these arrays.

        Args:
          params: its `nnx.Param`s, a pure dict.
          stats: its other variables, such as running statistics.
          key: a PRNG key: the model is in training mode (`model.train()`), and each of its random
            streams gets its own key. None: evaluation mode (`model.eval()`), in which dropout is
            off and batch norm uses its running statistics.
        """
        streams, tree = jax.tree.flatten(self.random)
        root = jax.random.key(0) if key is None else key
        started = [_start(root, i, like) for i, like in enumerate(streams)]
        model = nnx.merge(self.graph, params, jax.tree.unflatten(tree, started), stats)
        if key is None:
            model.eval()
        else:
            model.train()
        return model


def split_model(model: nnx.Module) -> tuple[Structure, Weights]:
    """Splits a model into its structure and its weights, pure dicts of arrays.

    `params` are its `nnx.Param`s; `stats` are all other variables except random state: those of
    batch norm, and any custom ones.
    """
    kinds = (nnx.Param, nnx.RngState, ...)
    graph, params, random, stats = nnx.split(model, *kinds)  # type: ignore[misc]
    shape = lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype)
    shapes = jax.tree.map(shape, nnx.to_pure_dict(random))
    weights = Weights(params=nnx.to_pure_dict(params), stats=nnx.to_pure_dict(stats))
    return Structure(graph, shapes), weights


def stats_of(model: nnx.Module) -> Tree:
    """The `stats` as in `split_model`, of a model that may have changed them in its call."""
    return nnx.to_pure_dict(nnx.state(model, nnx.Not(nnx.Any(nnx.Param, nnx.RngState))))


def _start(root: jax.Array, i: int, like: jax.ShapeDtypeStruct) -> jax.Array:
    """A new key for a stream, or its counter reset to zero."""
    if not jnp.issubdtype(like.dtype, jax.dtypes.prng_key):
        return jnp.zeros(like.shape, like.dtype)
    key = jax.random.fold_in(root, i)
    return key if not like.shape else jax.random.split(key, like.shape)
