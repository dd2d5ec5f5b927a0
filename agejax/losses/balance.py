"""Class balancing: weights that make rare ages count more than common ones.

A balance is `(counts [classes], **settings) -> float64 [classes]`, where counts are those of the
training labels. The mean of the weights over the training faces is 1, so that the effective
learning rate does not change. A class without faces gets weight 0.

Weighting errors by rarity moves a model from frequent ages to rare ones: the plain MAE rises and
that of rare ages falls. `logit_offset` does the same to a trained model.
"""

import numpy as np


def inverse(
    counts: np.ndarray, *, power: float = 1.0, least: float = 5, most: float = 1000
) -> np.ndarray:
    """Weights proportional to 1 / count^power.

    Args:
      counts: [classes], faces of each class.
      power: 1, or 0.5 for the milder square root.
      least: smaller counts are raised to this, so that a handful of faces does not dominate.
      most: larger counts are lowered to this; both as in the code of Yang et al. (see
        `smoothed_inverse`).

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
    """`inverse` of smoothed counts: label distribution smoothing (LDS).

    Yang et al., "Delving into Deep Imbalanced Regression", ICML 2021: a network also learns about
    an age from faces of neighbouring ages, so these count too. As in their code for IMDB-WIKI,
    counts are first clipped and raised to `power`, then convolved with zero padding; the defaults
    are theirs (their "sqrt_inv"). The kernel is the plain Gaussian of the paper; the one in their
    code is flatter, because of reflections within its five points.

    Args:
      counts: [classes], faces of each class.
      power: 0.5 for the square root, 1 for the plain inverse.
      kernel_size: width of the kernel in ages, odd.
      sigma: standard deviation of the Gaussian in years.
      least: smaller counts are raised to this (theirs: 5, with `power` 1 only).
      most: larger counts are lowered to this (theirs: 1000, likewise).

    Raises:
      ValueError: no class has a face, or `kernel_size` is even.
    """
    if kernel_size < 1 or kernel_size % 2 == 0:
        raise ValueError(f"kernel_size is {kernel_size}; it must be odd")
    half = kernel_size // 2
    kernel = np.exp(-((np.arange(-half, half + 1) / sigma) ** 2) / 2)
    raised = np.pad(np.clip(counts, least, most).astype(float) ** power, half)
    density = np.convolve(raised, kernel, mode="valid")
    with np.errstate(divide="ignore"):  # ages far from all faces; `_scaled` sets them to 0
        return _scaled(1 / density, counts)


def logit_offset(counts: np.ndarray, strength: float, sigma: float = 0.0) -> np.ndarray:
    """The offset of each class's logit that corrects predictions for class imbalance.

    Post-hoc logit adjustment (Menon et al., "Long-tail learning via logit adjustment", ICLR 2021):
    by Bayes' rule, logits minus the log of the training shares are those for balanced classes.

    Args:
      counts: [classes], faces of each class.
      strength: 0 changes nothing, 1 corrects to equally frequent classes.
      sigma: standard deviation, in classes, of a Gaussian that smooths the shares first: for ages.

    Returns:
      float64 [classes] nats: 0 for the most frequent class, positive for the others. A class with
      less than one face counts as having one.
    """
    density = np.asarray(counts, np.float64)
    if sigma:
        classes = np.arange(len(density))
        kernel = np.exp(-(((classes[:, None] - classes) / sigma) ** 2) / 2)
        density = kernel @ density / kernel.sum(1)  # a mean, also at the ends of the range
    log = np.log(np.maximum(density, 1))
    return strength * (log.max() - log)


def counts_of(
    classes: int, label: np.ndarray, last: np.ndarray | None, known: np.ndarray
) -> np.ndarray:
    """[classes]: how many known labels each class has; ranges count in equal parts for each class.

    Args:
      classes: how many there are.
      label: int [N], the class, or the first of a range.
      last: int [N], the last class of each range; None if none is one.
      known: bool [N].
    """
    first = label[known]
    if last is None:
        return np.bincount(first, minlength=classes)
    end = last[known] + 1
    share = 1 / (end - first)
    starts = np.bincount(first, share, minlength=classes + 1)
    counts = (starts - np.bincount(end, share, minlength=classes + 1)).cumsum()[:classes]
    return counts.round(6)  # what rounding leaves of nothing is nothing


def _scaled(weights: np.ndarray, counts: np.ndarray) -> np.ndarray:
    if not counts.sum():
        raise ValueError("no class has a face")
    weights = np.where(counts > 0, weights, 0.0)
    return weights * counts.sum() / (weights * counts).sum()
