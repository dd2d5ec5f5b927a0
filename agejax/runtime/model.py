"""The model that a config describes."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from ml_collections import ConfigDict

from agejax import tasks
from agejax.errors import UserError
from agejax.models.multitask import MultiTask
from agejax.train.step import split_model
from agejax.types import Weights


def make_model(config: ConfigDict) -> tuple[nnx.GraphDef, Weights]:
    """The structure of the model and its initial weights, a function of `config.seed`.

    Raises:
      UserError: the trunk does not take `config.model.args`, or is no Flax module.
    """
    # One program in place of a hundred: the weights are there in a tenth of the time.
    return _built(config, lambda build: jax.jit(build)())


def abstract_model(config: ConfigDict) -> tuple[nnx.GraphDef, Weights]:
    """`make_model` without the memory: the weights are shapes and dtypes alone."""
    return _built(config, jax.eval_shape)


def _built(config: ConfigDict, run: Callable[..., Weights]) -> tuple[nnx.GraphDef, Weights]:
    model, trunk = config.model, config.model.trunk
    if not (isinstance(trunk, type) and issubclass(trunk, nnx.Module)):
        raise UserError(f"config.model.trunk is {trunk!r}; it must be an nnx.Module class")
    make_trunk: Callable[..., Any] = trunk
    learnt = tasks.read(config.tasks)
    graphs = []

    def build() -> Weights:
        rngs, dtype = nnx.Rngs(config.seed), jnp.dtype(model.dtype)
        try:
            made = make_trunk(size=config.data.size, dtype=dtype, rngs=rngs, **model.args)
        except (TypeError, ValueError) as error:
            raise UserError(f"config.model.args do not suit {trunk.__name__}: {error}") from error
        multitask = MultiTask(
            made,
            {name: task.classes for name, task in learnt.items()},
            heads={name: task.head for name, task in learnt.items()},
            normalise=model.normalise,
            head_width=model.head_width,
            dtype=dtype,
            rngs=rngs,
        )
        graph, weights = split_model(multitask)
        graphs.append(graph)
        return weights

    weights = run(build)
    return graphs[0], weights
