"""Class balancing: how much more a rare age counts than a common one.

A balance is `(counts [classes], **settings) -> float64 [classes]`, of the training faces' labels;
the mean of the weights over those faces is 1, so that it changes no learning rate. A class that no
face has gets 0.

To weight errors by rarity moves a model from the frequent ages to the rare ones: the plain MAE
rises where that of rare ages falls. `logit_offset` does so to a trained one.
"""

import numpy as np


def inverse(
    counts: np.ndarray, *, power: float = 1.0, least: float = 5, most: float = 1000
) -> np.ndarray:
    """Weights in proportion to 1 / count^power.

    Args:
      counts: [classes], faces of each class.
      power: 1, or 0.5 for the square root that is kinder to rare classes.
      least: counts below this are taken for it, so that a handful of faces does not rule.
      most: and counts above this; both as in the code of Yang et al. (see `smoothed_inverse`).

    Raises:
      ValueError: no class has a face.
    """
    return _scaled(np.clip(counts, least, most) ** -float(power), counts)


def smoothed_inverse(
    counts: np.ndarray,
    *,
    power: float = 0.5,
    kernel_size: int = 5,
    sigma: float = 2.0,
    least: float = 0,
    most: float = np.inf,
) -> np.ndarray:
    """`inverse` of counts that their neighbours smooth: label distribution smoothing (LDS).

    Yang et al., "Delving into Deep Imbalanced Regression", ICML 2021: what a network lacks at an
    age it learns from the ages about it, so their faces count too. As in their code for IMDB-WIKI,
    counts are clipped and raised to `power` first and convolved then, with zeros beyond the ends;
    the defaults are theirs (their "sqrt_inv"). The kernel is the plain Gaussian of the paper; that
    of their code is flatter, from reflections within its five points.

    Args:
      counts: [classes], faces of each class.
      power: 0.5 for the square root, 1 for the plain inverse.
      kernel_size: ages that a kernel spans, odd.
      sigma: the Gaussian's deviation in years.
      least: counts below this are taken for it (theirs: 5, with `power` 1 alone).
      most: and counts above this (theirs: 1000, likewise).

    Raises:
      ValueError: no class has a face, or the kernel has no middle.
    """
    if kernel_size < 1 or kernel_size % 2 == 0:
        raise ValueError(f"kernel_size is {kernel_size}; it must be odd")
    half = kernel_size // 2
    kernel = np.exp(-((np.arange(-half, half + 1) / sigma) ** 2) / 2)
    raised = np.pad(np.clip(counts, least, most).astype(float) ** power, half)
    density = np.convolve(raised, kernel, mode="valid")
    with np.errstate(divide="ignore"):  # far from all faces; `_scaled` gives those 0
        return _scaled(1 / density, counts)


def logit_offset(counts: np.ndarray, strength: float, sigma: float = 0.0) -> np.ndarray:
    """What to add to the logits of classes so that rare ones are predicted as if less rare.

    Post-hoc logit adjustment (Menon et al., "Long-tail learning via logit adjustment", ICLR 2021):
    by Bayes' rule, logits less the log of the training shares are those for even classes.

    Args:
      counts: [classes], faces of each class.
      strength: 0 changes nothing, 1 is as if all classes were equally frequent.
      sigma: a Gaussian's deviation, in classes, by which shares are smoothed first: for ages.

    Returns:
      float64 [classes] nats, 0 of the most frequent class and more of the others; what has less
      than one face counts as one.
    """
    density = np.asarray(counts, np.float64)
    if sigma:
        classes = np.arange(len(density))
        kernel = np.exp(-(((classes[:, None] - classes) / sigma) ** 2) / 2)
        density = kernel @ density / kernel.sum(1)  # at the ends too, the mean of what there is
    log = np.log(np.maximum(density, 1))
    return strength * (log.max() - log)


def _scaled(weights: np.ndarray, counts: np.ndarray) -> np.ndarray:
    if not counts.sum():
        raise ValueError("no class has a face")
    weights = np.where(counts > 0, weights, 0.0)
    return weights * counts.sum() / (weights * counts).sum()
