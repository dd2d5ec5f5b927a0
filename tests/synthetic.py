"""Predictions whose truth is known: each label is drawn from the face's own distribution."""

import numpy as np


def faces(n, *, sharpened=1.0, classes=101, seed=0):
    """float [n, classes] probabilities, and int [n] labels.

    Labels are drawn from the honest distributions; what is returned is these to the power of
    `sharpened`, so that this very temperature makes them honest again.
    """
    rng = np.random.default_rng(seed)
    if classes == 101:
        centre, spread = rng.uniform(5, 90, n), rng.uniform(1.5, 12, n)
        z = -0.5 * ((np.arange(101) - centre[:, None]) / spread[:, None]) ** 2
    else:
        z = rng.normal(0, 2, (n, classes))
    honest = np.exp(z - z.max(-1, keepdims=True))
    honest /= honest.sum(-1, keepdims=True)
    label = (np.cumsum(honest, -1) < rng.random((n, 1))).sum(-1)
    p = np.exp(sharpened * (z - z.max(-1, keepdims=True)))
    return p / p.sum(-1, keepdims=True), np.minimum(label, classes - 1).astype(np.int32)
