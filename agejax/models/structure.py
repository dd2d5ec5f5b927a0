"""A Flax NNX model as a static structure and plain dicts of arrays, and back."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from agejax.types import Tree, Weights


@dataclasses.dataclass(frozen=True)
class Structure:
    """All of a model but its arrays.

    Random state, such as that of an `nnx.Dropout`, is not among the weights: every merge sets it
    anew, so that a step is a function of its key alone and checkpoints hold no keys.

    Attributes:
      graph: flax's own description.
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
            streams starts from a key of its own. None: in evaluation mode (`model.eval()`), where
            dropout is off and batch norm uses its running statistics.
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
    """A model as its structure and its weights, pure dicts of arrays.

    `params` are its `nnx.Param`s; `stats` are all its other variables but random state: those of
    batch norm, and any that the model's author has thought of.
    """
    kinds = (nnx.Param, nnx.RngState, ...)
    graph, params, random, stats = nnx.split(model, *kinds)  # type: ignore[misc]
    shape = lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype)
    shapes = jax.tree.map(shape, nnx.to_pure_dict(random))
    weights = Weights(params=nnx.to_pure_dict(params), stats=nnx.to_pure_dict(stats))
    return Structure(graph, shapes), weights


def stats_of(model: nnx.Module) -> Tree:
    """The `stats` of `split_model`, of a model whose call may have changed them."""
    return nnx.to_pure_dict(nnx.state(model, nnx.Not(nnx.Any(nnx.Param, nnx.RngState))))


def _start(root: jax.Array, i: int, like: jax.ShapeDtypeStruct) -> jax.Array:
    """A stream's key, or its counter at zero."""
    if not jnp.issubdtype(like.dtype, jax.dtypes.prng_key):
        return jnp.zeros(like.shape, like.dtype)
    key = jax.random.fold_in(root, i)
    return key if not like.shape else jax.random.split(key, like.shape)
