"""Winograd's minimal filtering: a 3x3 convolution in 2.3 times fewer multiplications.

Lavin and Gray, "Fast algorithms for convolutional neural networks", CVPR 2016: each tile of m x m
results is A'[(G w G') * (B' d B)]A, where the product is a matrix product over channels, one for
each of the (m + k - 1)^2 points of a tile.
"""

import functools
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

Pads = Sequence[tuple[int, int]]
Grid = list[list[jax.Array]]

# F(2x2, 3x3): 2 x 2 results from 4 x 4 points.
_A = np.array([[1, 1, 1, 0], [0, 1, -1, -1]])
_G = np.array([[2, 0, 0], [1, 1, 1], [1, -1, 1], [0, 0, 2]]) / 2
_B = np.array([[1, 0, -1, 0], [0, 1, 1, 0], [0, -1, 1, 0], [0, 1, 0, -1]])
_K, _M = 3, 2  # a kernel, and the results of a tile, a side


def convolve(x: jax.Array, w: jax.Array, pads: Pads) -> jax.Array:
    """[B, H, W, C], [3, 3, C, K] -> [B, H', W', K], as `jax.lax` does it with stride 1.

    Args:
      x: the input.
      w: the kernel.
      pads: zeros before and after, for height and width.
    """
    shape = _result_shape(x, pads)
    products = _multiply(_spread(_B, _pad(x, shape, pads)), _kernel(w), "nc,ck->nk")
    return _join(_gather(_A, products), shape)


def input_gradient(g: jax.Array, w: jax.Array, pads: Pads) -> jax.Array:
    """The gradient for the input of `convolve`, given that of its result, [B, H', W', K]."""
    pads = [(_K - 1 - before, _K - 1 - after) for before, after in pads]
    shape = _result_shape(g, pads)
    tiles = _spread(_B, _pad(g, shape, pads))
    # Contracting over the kernel's last axis saves its transposition.
    products = _multiply(tiles, _kernel(w[::-1, ::-1]), "nk,ck->nc")
    return _join(_gather(_A, products), shape)


def kernel_gradient(x: jax.Array, g: jax.Array, pads: Pads) -> jax.Array:
    """The gradient for the kernel of `convolve`, [3, 3, C, K]."""
    shape = _result_shape(x, pads)
    tiles = _spread(_B, _pad(x, shape, pads))
    products = _multiply(tiles, _spread(_A.T, _pad(g, shape, [(0, 0)] * 2)), "nc,nk->ck")
    return jnp.stack([jnp.stack(row) for row in _gather(_G.T, products)])


def _result_shape(x: jax.Array, pads: Pads) -> tuple[int, int]:
    height, width = (n + sum(pad) - _K + 1 for n, pad in zip(x.shape[1:3], pads, strict=True))
    return height, width


def _pad(x: jax.Array, shape: tuple[int, int], pads: Pads) -> jax.Array:
    """With the zeros of the convolution, and those that fill the last tiles."""
    filled = ((a, b + -n % _M) for (a, b), n in zip(pads, shape, strict=True))
    return jnp.pad(x, ((0, 0), *filled, (0, 0)))


def _kernel(w: jax.Array) -> Grid:
    """The kernel at each point of a tile, [C, K]."""
    return [_combine(_G, list(row)) for row in _barrier(_combine(_G, list(w)))]


def _spread(matrix: np.ndarray, x: jax.Array) -> Grid:
    """matrix d matrix' of each tile d of [B, H, W, C]: for each point, [tiles, C]."""
    n = matrix.shape[1]  # a tile's side; neighbours overlap by all but _M
    rows = _barrier(_combine(matrix, [_every(x, 1, i, n) for i in range(n)]))
    split = lambda row: [_every(row, 2, j, n).reshape(-1, x.shape[-1]) for j in range(n)]
    return _barrier([_combine(matrix, split(row)) for row in rows])


def _every(x: jax.Array, axis: int, start: int, n: int) -> jax.Array:
    """The start-th row or column of every tile of side n."""
    return jax.lax.slice_in_dim(x, start, x.shape[axis] - n + start + 1, _M, axis)


def _multiply(a: Grid, b: Grid, rule: str) -> Grid:
    pairs = zip(a, b, strict=True)
    return [[jnp.einsum(rule, *ab) for ab in zip(*rows, strict=True)] for rows in pairs]


def _gather(matrix: np.ndarray, points: Grid) -> Grid:
    """matrix p matrix' of a square of points."""
    half = _barrier([_combine(matrix, row) for row in points])
    columns = [_combine(matrix, list(column)) for column in zip(*half, strict=True)]
    return [list(row) for row in zip(*columns, strict=True)]


def _join(results: Grid, shape: tuple[int, int]) -> jax.Array:
    """A square of [tiles, K] -> [B, H', W', K]."""
    height, width = (-(-n // _M) for n in shape)
    apart = [[x.reshape(-1, height, width, x.shape[-1]) for x in row] for row in results]
    y = jnp.stack([jnp.stack(row, 3) for row in apart], 2)
    return y.reshape(len(y), height * _M, width * _M, -1)[:, : shape[0], : shape[1]]


def _combine(matrix: np.ndarray, xs: Sequence[jax.Array]) -> list[jax.Array]:
    """The linear combinations of arrays that the rows of a matrix tell."""
    return [_sum([_times(c, x) for c, x in zip(row, xs, strict=True) if c]) for row in matrix]


def _times(c: float, x: jax.Array) -> jax.Array:
    return x if c == 1 else -x if c == -1 else x * jnp.asarray(c, x.dtype)


def _sum(terms: list[jax.Array]) -> jax.Array:
    return functools.reduce(jnp.add, terms)


def _barrier(x):
    """Keeps XLA from working a stage out anew for every use of it."""
    return jax.lax.optimization_barrier(x)
