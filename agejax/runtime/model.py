"""The model that a config describes."""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from ml_collections import ConfigDict

from agejax import tasks
from agejax.errors import UserError
from agejax.models.ensemble import Ensemble
from agejax.models.multitask import MultiTask
from agejax.train.step import split_model
from agejax.types import Weights


def make_model(config: ConfigDict) -> tuple[nnx.GraphDef, Weights]:
    """The structure of the model and its initial weights, a function of `config.seed`.

    Raises:
      UserError: a trunk does not take its args, or is no Flax module.
    """
    # One program in place of a hundred: the weights are there in a tenth of the time.
    return _built(config, lambda build: jax.jit(build)())


def abstract_model(config: ConfigDict) -> tuple[nnx.GraphDef, Weights]:
    """`make_model` without the memory: the weights are shapes and dtypes alone."""
    return _built(config, jax.eval_shape)


def _built(config: ConfigDict, run: Callable[..., Weights]) -> tuple[nnx.GraphDef, Weights]:
    graphs = []

    def build() -> Weights:
        graph, weights = split_model(_model(config))
        graphs.append(graph)
        return weights

    weights = run(build)
    return graphs[0], weights


def _model(config: ConfigDict) -> MultiTask | Ensemble:
    rngs, members = nnx.Rngs(config.seed), config.model.members
    if not members:
        return _network(config, config.model, "config.model", rngs)
    return Ensemble(
        {
            name: _network(config, member, f"config.model.members.{name}", rngs)
            for name, member in members.items()
        }
    )


def _network(config: ConfigDict, parts: Mapping[str, Any], where: str, rngs: nnx.Rngs) -> MultiTask:
    """One of `parts`: "trunk", "args", "normalise" and "head_width"."""
    trunk, dtype = parts["trunk"], jnp.dtype(config.model.dtype)
    if not (isinstance(trunk, type) and issubclass(trunk, nnx.Module)):
        raise UserError(f"{where}.trunk is {trunk!r}; it must be an nnx.Module class")
    make_trunk: Callable[..., Any] = trunk
    try:
        made = make_trunk(size=config.data.size, dtype=dtype, rngs=rngs, **parts["args"])
    except (TypeError, ValueError, ArithmeticError, LookupError, AttributeError) as error:
        raise UserError(f"{where}.args do not suit {trunk.__name__}: {error}") from error
    learnt = tasks.read(config.tasks)
    return MultiTask(
        made,
        {name: task.classes for name, task in learnt.items()},
        heads={name: task.head for name, task in learnt.items()},
        normalise=parts["normalise"],
        head_width=parts["head_width"],
        dtype=dtype,
        rngs=rngs,
    )
