"""The model that a config describes."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from ml_collections import ConfigDict

from agejax.config import tasks
from agejax.errors import UserError, first_line
from agejax.models.ensemble import Ensemble
from agejax.models.initial import shapes_alone
from agejax.models.multitask import MultiTask, call_trunk
from agejax.models.structure import Structure, split_model
from agejax.types import Weights
from agejax.utils.forks import check_not_forked


def make_model(config: ConfigDict) -> tuple[Structure, Weights]:
    """The structure of the model and its initial weights, a function of `config.seed`.

    Raises:
      UserError: a trunk does not accept its args or is not a Flax module, or this process was
        forked from one in which JAX had run.
    """
    # One compiled program instead of a hundred: ten times as fast. Beyond level 1, LLVM unrolls the
    # random numbers of small kernels for seconds, and they stay the same.
    on_cpu = jax.default_backend() == "cpu"
    options = {"xla_backend_optimization_level": 1} if on_cpu else None
    return _built(config, lambda build: jax.jit(build, compiler_options=options)())


def abstract_model(config: ConfigDict) -> tuple[Structure, Weights]:
    """`make_model` without allocating memory: the weights are shapes and dtypes only."""
    with shapes_alone():
        return _built(config, jax.eval_shape)


def _built(config: ConfigDict, run: Callable[..., Weights]) -> tuple[Structure, Weights]:
    graphs = []

    def build() -> Weights:
        graph, weights = split_model(_model(config))
        graphs.append(graph)
        return weights

    check_not_forked()
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
    made = _trunk(trunk, config.data.size, dtype, rngs, parts["args"], where)
    learned = tasks.read(config.tasks)
    return MultiTask(
        made,
        {name: task.classes for name, task in learned.items()},
        heads={name: task.head for name, task in learned.items()},
        features=_features(made, config.data.size, dtype, where),
        normalise=parts["normalise"],
        head_width=parts["head_width"],
        dtype=dtype,
        rngs=rngs,
    )


def _trunk(
    kind: type,
    size: int,
    dtype: jnp.dtype,
    rngs: nnx.Rngs,
    args: Mapping[str, Any],
    where: str,
) -> Any:
    """A trunk, created with its args and those of size, dtype and rngs that its signature names."""
    # `kind` itself has the signature of Flax's metaclass.
    named = inspect.signature(kind.__init__).parameters  # type: ignore[misc]
    anything = any(p.kind is p.VAR_KEYWORD for p in named.values())
    if dtype != jnp.float32 and not (anything or "dtype" in named):
        raise UserError(
            f"{where}.trunk: {kind.__name__} takes no dtype; config.model.dtype must stay float32"
        )
    ours = {"size": size, "dtype": dtype, "rngs": rngs}
    given = {key: value for key, value in ours.items() if anything or key in named}
    try:
        return kind(**given, **args)
    except (TypeError, ValueError, ArithmeticError, LookupError, AttributeError) as error:
        raise UserError(f"{where}.args do not suit {kind.__name__}: {error}") from error


def _features(trunk: Any, size: int, dtype: jnp.dtype, where: str) -> int:
    """The number of features of a trunk: its attribute, or the shape of its output."""
    if isinstance(said := getattr(trunk, "features", None), int):
        return said
    structure, weights = split_model(trunk)
    image = jax.ShapeDtypeStruct((2, size, size, 3), dtype)

    def run(weights: Weights, image: jax.Array) -> jax.Array:
        return call_trunk(structure.merge(**weights), image, None)

    name = type(trunk).__name__
    try:
        shape = jax.eval_shape(run, weights, image).shape
    except (TypeError, ValueError, AttributeError) as error:
        raise UserError(
            f"{where}.trunk: {name} does not take faces of {size} pixels: {first_line(error)}"
        ) from error
    if len(shape) != 2 or shape[0] != 2:
        raise UserError(
            f"{where}.trunk: {name} gives shape {list(shape)} for 2 faces; it must be [2, features]"
        )
    return int(shape[1])
