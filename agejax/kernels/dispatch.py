"""A library of CPU layers that replaces XLA's own, where one is installed."""

import contextlib
import contextvars
from collections.abc import Iterator
from typing import Protocol

import jax

Pads = tuple[tuple[int, int], tuple[int, int]]
Shape = tuple[int, ...]
_portable = contextvars.ContextVar("_portable", default=False)


class Library(Protocol):
    """Layers implemented outside XLA, and their gradients, of float32 arrays [N, H, W, C]."""

    def convolves(self, x: Shape, w: Shape, stride: int, pads: Pads, groups: int) -> bool:
        """Whether it has a convolution for these shapes."""

    def convolve(
        self, x: jax.Array, w: jax.Array, stride: int, pads: Pads, groups: int
    ) -> jax.Array:
        """The convolution."""

    def convolve_gradients(
        self, x: jax.Array, w: jax.Array, g: jax.Array, stride: int, pads: Pads, groups: int
    ) -> tuple[jax.Array, jax.Array]:
        """Those of the input and of the kernel, given that of the result."""

    def convolve_and_clip(
        self,
        x: jax.Array,
        w: jax.Array,
        b: jax.Array,
        stride: int,
        pads: Pads,
        groups: int,
        up_to: float | None,
    ) -> jax.Array:
        """At inference: the convolution and a bias, clipped to 0..`up_to` unless that is None."""

    def normalize(
        self, x: jax.Array, scale: jax.Array, bias: jax.Array, epsilon: float, relu: bool
    ) -> tuple[jax.Array, ...]:
        """Batch norm: the result, the mean, the variance, and what the gradients need of it."""

    def normalize_gradients(
        self,
        x: jax.Array,
        scale: jax.Array,
        saved: tuple[jax.Array, ...],
        g: jax.Array,
        epsilon: float,
        relu: bool,
    ) -> tuple[jax.Array, jax.Array, jax.Array]:
        """Those of input, scale and bias; `saved` is what `normalize` gave after its result."""


_library: Library | None = None


def use(library: Library | None) -> None:
    """Programs traced from now on for a CPU call `library` for the layers that it has."""
    global _library
    _library = library


def in_use() -> Library | None:
    """The library to call in what is being traced, if any."""
    return None if _portable.get() else _library


def is_portable() -> bool:
    """Whether what is being traced is for other runtimes; see `portable`."""
    return _portable.get()


@contextlib.contextmanager
def portable() -> Iterator[None]:
    """Programs traced inside have only XLA's own operations, for other runtimes."""
    token = _portable.set(True)
    try:
        yield
    finally:
        _portable.reset(token)
