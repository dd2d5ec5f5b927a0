"""Images that are the same, byte for byte or nearly: saved again, resized, cropped by a pixel."""

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

_ALIKE = 0.985  # least correlation of two grey pictures
_SAME_FEATURES = 0.9  # and least cosine of their features, about the mean of all
_ENOUGH = 50  # faces whose mean features mean something
_TABLES, _BITS = 16, 16  # of hashes: at this correlation, three pairs in ten thousand are missed
_NEIGHBOURS = 8  # faces of the same hash that each is compared with


def same_images(sha256: np.ndarray, small: np.ndarray, trunk: np.ndarray) -> np.ndarray:
    """int [N]: a number for each face, the same for faces whose images are the same.

    Nearly identical images are found by random hyperplanes (Charikar, STOC 2002), so that a hundred
    thousand faces take seconds, and then compared.

    Args:
      sha256: str [N], of the bytes.
      small: uint8 [N, h, w], each image in grey; a flat one is only identical to itself.
      trunk: float32 [N, F], features.
    """
    _, exact = np.unique(sha256, return_inverse=True)
    n, z = len(exact), _standardised(small.reshape(len(small), -1).astype(np.float32))
    f = trunk - trunk.mean(0)
    f /= np.maximum(np.linalg.norm(f, axis=1, keepdims=True), 1e-6)
    pairs = []
    for a, b in _candidates(z):
        alike = np.einsum("ij,ij->i", z[a], z[b]) >= _ALIKE
        a, b = a[alike], b[alike]
        if n >= _ENOUGH:
            alike = np.einsum("ij,ij->i", f[a], f[b]) >= _SAME_FEATURES
            a, b = a[alike], b[alike]
        pairs.append((a, b))
    first = np.unique(exact, return_index=True)[1]
    pairs.append((np.arange(n), first[exact]))
    a, b = (np.concatenate(side) for side in zip(*pairs, strict=True))
    graph = coo_array((np.ones(len(a), np.int8), (a, b)), shape=(n, n))
    return connected_components(graph, directed=False)[1].astype(np.int64)


def _standardised(x: np.ndarray) -> np.ndarray:
    x = x - x.mean(1, keepdims=True)
    norm = np.linalg.norm(x, axis=1, keepdims=True)
    return np.where(norm > x.shape[1] ** 0.5, x / np.maximum(norm, 1e-6), 0)  # flat: below 1 of 255


def _candidates(z: np.ndarray):
    """Yields pairs of rows, int [P] and int [P], that share a hash and are not flat."""
    rows = np.flatnonzero(z.any(1))
    about = z[rows] - z[rows].mean(0) if len(rows) >= _ENOUGH else z[rows]  # evenly filled hashes
    rng = np.random.default_rng(0)
    for _ in range(_TABLES):
        planes = rng.normal(size=(z.shape[1], _BITS)).astype(np.float32)
        code = (about @ planes > 0) @ (1 << np.arange(_BITS))
        order = np.argsort(code, kind="stable")
        for step in range(1, _NEIGHBOURS + 1):
            a, b = order[:-step], order[step:]
            same = code[a] == code[b]
            yield rows[a[same]], rows[b[same]]
