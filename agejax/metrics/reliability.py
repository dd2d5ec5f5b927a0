"""Quality of a model's uncertainty: calibration error, coverage, risk against coverage.

All functions take whole arrays of N faces on the host, once per evaluation.
"""

import numpy as np


def expected_calibration_error(p: np.ndarray, label: np.ndarray, bins: int = 15) -> float:
    """The gap between confidence and accuracy, 0..1 (Guo et al., ICML 2017, equation 3).

    Faces are put into bins of equal width by the predicted class's probability; the gaps of the
    bins are averaged, weighted by their number of faces.

    Args:
      p: [N, classes] probabilities, N > 0.
      label: int [N].
      bins: number of bins of [0, 1].
    """
    bin_of, confidence, right = confidence_bins(p, label, bins)
    gap = np.bincount(bin_of, right - confidence, minlength=bins)
    return float(np.abs(gap).sum() / len(p))


def confidence_bins(
    p: np.ndarray, label: np.ndarray, bins: int = 15
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Each face's bin, int [N], confidence, float64 [N], and whether it is right, bool [N]."""
    confidence = p.max(-1).astype(np.float64)
    bin_of = np.minimum((confidence * bins).astype(int), bins - 1)
    return bin_of, confidence, p.argmax(-1) == label


def inside(low: np.ndarray, high: np.ndarray, label: np.ndarray) -> np.ndarray:
    """bool [N]: whether a true age lies in its interval, [low, high] years."""
    return (low - 1e-6 <= label) & (label <= high + 1e-6)  # coverage must not depend on rounding


def risk_when_set_aside(
    error: np.ndarray, uncertainty: np.ndarray, shares: tuple[float, ...] = (0.1, 0.2, 0.5)
) -> dict[str, float]:
    """Risk against coverage: the mean error with the least certain faces set aside.

    See El-Yaniv and Wiener, JMLR 2010. An uninformative uncertainty leaves the error unchanged.

    Args:
      error: float [N] >= 0, N > 0.
      uncertainty: float [N]; ties keep the order of rows.
      shares: fractions of the N faces to set aside.

    Returns:
      {"10%": mean error of the other 90%, ...}.
    """
    ordered = error[np.argsort(uncertainty, kind="stable")]
    kept = {share: len(error) - int(len(error) * share) for share in shares}
    return {f"{share:.0%}": float(ordered[:n].mean()) for share, n in kept.items()}
