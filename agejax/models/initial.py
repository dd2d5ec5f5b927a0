"""Initial weights of a trunk, which are not drawn where their shapes alone are asked for."""

import contextlib
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

_shapes_alone: ContextVar[bool] = ContextVar("shapes_alone", default=False)


@contextlib.contextmanager
def shapes_alone() -> Iterator[None]:
    """Within, `initial` gives zeros: tracing random numbers takes most of the time of a build."""
    before = _shapes_alone.set(True)
    try:
        yield
    finally:
        _shapes_alone.reset(before)


def initial(make: Callable[..., Any], rngs: nnx.Rngs, shape: tuple[int, ...]) -> jax.Array:
    """float32 of this shape, as an initializer of `jax.nn.initializers` draws it."""
    if _shapes_alone.get():
        return jnp.zeros(shape)
    drawn: jax.Array = make(rngs.params(), shape)
    return drawn
