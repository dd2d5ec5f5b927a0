"""Metrics as sums that add up over batches, devices and processes, and their final values."""

from collections.abc import Collection, Mapping
from typing import Any

from agejax.labels import DECODINGS

Sums = dict[str, dict[str, Any]]


def metric_sums(
    probabilities: Mapping[str, Any],
    labels: Mapping[str, Any],
    counted: Mapping[str, Any],
    ordinal: Collection[str] = ("age",),
    upto: Mapping[str, Any] | None = None,
) -> Sums:
    """Sums over the rows that count. Works on NumPy and JAX arrays.

    For a label that is a range, such as an age of 20-29, any class within counts as correct. The
    error is the distance to the nearest one, a lower bound; the NLL is that of the range.

    Args:
      probabilities: {task: float [B, classes]}.
      labels: {task: int [B]}.
      counted: {task: float [B]}, 1 where the row counts and 0 where it does not.
      ordinal: the tasks whose classes are years, for which errors in years are summed as well.
      upto: {task: int [B]}, the last class of each label, of tasks that have ranges.

    Returns:
      {task: {"n", "correct", "nll"}}, and for ordinal tasks also "abs_argmax", "abs_mean",
      "abs_median" (years) and "within_5" (median at most 5 years off), all scalars.
    """
    sums: Sums = {}
    for task, p in probabilities.items():
        xp = p.__array_namespace__()
        label, rows = labels[task], xp.astype(counted[task], p.dtype)
        zero = xp.zeros_like(rows)
        last = (upto or {}).get(task, label)
        guess, own = p.argmax(-1), mass(p, label, last)
        sums[task] = {
            "n": rows.sum(),
            "correct": xp.where((label <= guess) & (guess <= last), rows, zero).sum(),
            "nll": (-xp.log(xp.clip(own, 1e-30, None)) * rows).sum(),
        }
        if task in ordinal:
            errors = {name: abs(off(decode(p), label, last)) for name, decode in DECODINGS.items()}
            sums[task] |= {f"abs_{name}": (e * rows).sum() for name, e in errors.items()}
            # Slack: an error of exactly 5 years must not depend on rounding.
            sums[task]["within_5"] = xp.where(errors["median"] <= 5 + 1e-3, rows, zero).sum()
    return sums


def compute(sums: Sums) -> dict[str, dict[str, Any]]:
    """The metrics that the sums amount to.

    Returns:
      {task: {"n", "accuracy", "nll" (nats)}}, and for ordinal tasks also "mae": {"argmax", "mean",
      "median"} (years) and "cs5", the share of faces at most 5 years off (cumulative score). A task
      without any known label has only "n".
    """
    numbers: dict[str, dict[str, Any]] = {}
    for task, s in sums.items():
        n = float(s["n"])
        numbers[task] = {"n": int(n)}
        if not n:
            continue
        numbers[task] |= {"accuracy": float(s["correct"]) / n, "nll": float(s["nll"]) / n}
        if "within_5" in s:
            numbers[task]["mae"] = {name: float(s[f"abs_{name}"]) / n for name in DECODINGS}
            numbers[task]["cs5"] = float(s["within_5"]) / n
    return numbers


def mass(p: Any, first: Any, last: Any) -> Any:
    """[B]: the probability of each row's classes from `first` to `last`, int [B]."""
    xp = p.__array_namespace__()
    own = xp.take_along_axis(p, first[:, None], axis=-1)[:, 0]
    if last is first:
        return own
    classes = xp.arange(p.shape[-1], dtype=first.dtype)[None]
    within = (first[:, None] <= classes) & (classes <= last[:, None])
    return xp.where(within, p, xp.zeros_like(p)).sum(-1)


def off(age: Any, first: Any, last: Any) -> Any:
    """[B] years: signed distance of ages from the range `first` to `last`; negative below it."""
    xp = age.__array_namespace__()
    return age - xp.clip(age, xp.astype(first, age.dtype), xp.astype(last, age.dtype))
