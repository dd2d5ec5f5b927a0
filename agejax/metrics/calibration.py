"""Calibration: probabilities and age intervals that mean what they say, as validation showed it.

First a temperature for each task sharpens or flattens its distributions; where a task asks for
logit adjustment, rare classes then get their due. Whatever is reported is read from the result, the
age (its median) too, so that a printed age is always the median of the printed distribution, and
training's validation, evaluation and prediction cannot differ. The 90% interval of ages comes last:
the 5% and 95% quantiles, moved until 90% of validation faces fit in.
"""

import dataclasses
import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

from agejax.labels import quantile_age

LEVEL = 0.9  # of the age interval
_TAILS = (1 - LEVEL) / 2, (1 + LEVEL) / 2
_COLDEST, _HOTTEST = 0.2, 5.0
_FEWEST = 9  # labels that a 90% interval can be fitted on
_TINY = 1e-30  # what a probability counts at least, as in the metrics' NLL
_LEAST, _MOST = 1e-3, 1e3  # temperature, and nats: what others may have fitted
_ALL_AGES = 1000.0  # a widening past 0 and 100 from any quantiles


@dataclasses.dataclass(frozen=True)
class Calibration:
    """What validation taught; an empty one changes nothing. Numbers alone, so that JSON holds it.

    Attributes:
      temperature: {task: T > 0}; distributions become p**(1/T), normalised.
      widening: {task: share}, by which each end of the 90% interval moves outwards, in parts of
        the distance between the 5% and 95% quantiles; negative moves it inwards.
      n: validation faces it was fitted on.
      offset: {task: [classes] nats}, added to the logits once they are tempered.
    """

    temperature: Mapping[str, float] = dataclasses.field(default_factory=dict)
    widening: Mapping[str, float] = dataclasses.field(default_factory=dict)
    n: int = 0
    offset: Mapping[str, Sequence[float]] = dataclasses.field(default_factory=dict)

    @classmethod
    def from_json(cls, saved: Mapping[str, Any], classes: Mapping[str, int]) -> "Calibration":
        """One that was written as JSON; the older ones have no offset.

        Args:
          saved: what `dataclasses.asdict` gave.
          classes: {task: how many}, of those that are known.

        Raises:
          ValueError: a value is none that `fit` gives.
        """
        names = {field.name for field in dataclasses.fields(cls)}
        if unknown := sorted(saved.keys() - names):
            raise ValueError(f"it holds {unknown[0]!r:.40}, which means nothing here")
        found = cls(**saved)
        if type(found.n) is not int or not 0 <= found.n < 2**63:
            raise ValueError(f"n is {found.n!r:.40}; it counts faces")
        parts = {name: getattr(found, name) for name in ("temperature", "widening", "offset")}
        for name, of in parts.items():
            if not isinstance(of, Mapping):
                raise ValueError(f"{name} is {of!r:.40}; it must be of tasks")
        for task, t in found.temperature.items():
            if not (_is_number(t) and _LEAST <= t <= 1 / _LEAST):
                raise ValueError(f"the temperature of {task!r:.40} is {t!r:.40}; it is about 1")
        for task, share in found.widening.items():
            if not _is_number(share):
                raise ValueError(f"the widening of {task!r:.40} is {share!r:.40}, no finite number")
        for task, nats in found.offset.items():
            many = isinstance(nats, list) and len(nats) == classes.get(task, len(nats))
            if not many or not all(_is_number(x) and abs(x) <= _MOST for x in nats):
                raise ValueError(f"the offset of {task!r:.40} is not a number for each class")
        return found


def fit(
    probabilities: Mapping[str, np.ndarray],
    labels: Mapping[str, np.ndarray],
    known: Mapping[str, np.ndarray],
    ordinal: Collection[str] = ("age",),
    upto: Mapping[str, np.ndarray] | None = None,
    offset: Mapping[str, Sequence[float]] | None = None,
) -> Calibration:
    """The calibration of validation predictions.

    Labels that are ranges speak of the temperature, by the likelihood of the range. The interval is
    fitted on exact ones alone; where ranges leave fewer than 9 of these, which could promise
    nothing, it stays at the plain quantiles.

    Args:
      probabilities: {task: [N, classes]}, as the model gives them.
      labels: {task: int [N]}.
      known: {task: bool [N]}; a task without a known label is left as it is.
      ordinal: the tasks whose classes are years, which get an interval.
      upto: {task: int [N]}, the last class of each label, of tasks that have ranges.
      offset: as `agejax.losses.balance.logit_offset` gives it, of tasks that are to be adjusted.
    """
    offset = offset or {}
    temperature, widening, n = {}, {}, 0
    for task, p in probabilities.items():
        rows = np.asarray(known[task], bool)
        p, label = p[rows], labels[task][rows]
        last = (upto or {}).get(task, labels[task])[rows]
        if not len(p):
            continue
        n = max(n, len(p))
        temperature[task] = fit_temperature(p, label, last)
        exact = label == last
        if task in ordinal and (exact.all() or exact.sum() >= _FEWEST):
            shown = tempered(p[exact], temperature[task], offset.get(task))
            widening[task] = fit_widening(shown, label[exact])
    return Calibration(
        temperature, widening, n, {task: offset[task] for task in temperature if task in offset}
    )


def calibrated(probabilities: Mapping[str, Any], calibration: Calibration) -> dict[str, Any]:
    """{task: [..., classes]} -> the same at the calibration's temperatures, adjusted, float32."""
    temperature, offset = calibration.temperature, calibration.offset
    return {
        task: tempered(p, temperature[task], offset.get(task)).astype(np.float32)
        if task in temperature
        else p
        for task, p in probabilities.items()
    }


def tempered(p: Any, temperature: float, offset: Sequence[float] | None = None) -> Any:
    """[..., classes] probabilities -> p**(1 / temperature) * exp(offset), normalised.

    NumPy's are worked out in float64, JAX's, as in an exported model, as they come.

    For a softmax this divides the logits (Guo et al., On Calibration of Modern Neural Networks,
    ICML 2017); it needs the probabilities alone, so any head will do.
    """
    xp = p.__array_namespace__()
    z = _log(p) / temperature
    if offset is not None:
        z = z + xp.asarray(offset, dtype=z.dtype).reshape((1,) * (z.ndim - 1) + (-1,))
    e = xp.exp(z - z.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def fit_temperature(p: np.ndarray, label: np.ndarray, last: np.ndarray | None = None) -> float:
    """The temperature in [0.2, 5] of the least NLL (Guo et al., ICML 2017).

    The NLL of exact labels is convex in 1 / T, so a golden-section search in log T cannot miss its
    minimum; that of ranges, which subtracts a convex term, has none but this in practice.

    Args:
      p: [N, classes] probabilities, N > 0.
      label: int [N].
      last: int [N], the last class where labels are ranges.
    """
    z = _log(p)
    own = np.take_along_axis(z, label[:, None], axis=-1)
    z = z - own  # then the NLL of an exact label is log sum exp alone
    ranges = np.zeros(len(p), bool) if last is None else last > label
    beyond = _beyond(label[ranges], label[ranges] if last is None else last[ranges], p.shape[-1])

    def nll(log_t: float) -> float:
        scaled = z * math.exp(-log_t)
        total = _log_sum_exp(scaled).sum()
        if len(beyond):
            total -= _log_sum_exp(np.where(beyond, -np.inf, scaled[ranges])).sum()
        return float(total / len(p))

    golden = (math.sqrt(5) - 1) / 2
    low, high = math.log(_COLDEST), math.log(_HOTTEST)
    a, b = high - golden * (high - low), low + golden * (high - low)
    at_a, at_b = nll(a), nll(b)
    for _ in range(30):  # to 1e-6 of log T
        if at_a < at_b:
            high, b, at_b = b, a, at_a
            a = high - golden * (high - low)
            at_a = nll(a)
        else:
            low, a, at_a = a, b, at_b
            b = low + golden * (high - low)
            at_b = nll(b)
    return math.exp((low + high) / 2)


def fit_widening(p: np.ndarray, age: np.ndarray) -> float:
    """By how much intervals must widen for 90% of ages to lie inside: split-conformal prediction.

    Conformalised quantiles (Romano, Patterson, Candès, NeurIPS 2019) with the score in parts of
    each interval's own width (CQR-r; Sesia, Candès, Stat 2020): all faces are widened in
    proportion, so that a child's narrow interval is not given a pensioner's years. A new face of
    the same kind is then inside with 90% probability; a little less where these faces have also
    chosen the checkpoint and the temperature.

    Args:
      p: [N, 101] probabilities. Fewer than 9 can promise nothing: the interval is then 0 to 100.
      age: int [N] years.
    """
    low, high = (quantile_age(p, q) for q in _TAILS)
    score = np.sort(np.maximum(low - age, age - high) / (high - low))
    rank = math.ceil((len(score) + 1) * LEVEL)
    return float(score[rank - 1]) if rank <= len(score) else _ALL_AGES


def age_interval(p: Any, widening: float = 0.0) -> tuple[Any, Any, Any]:
    """[..., 101] probabilities -> low, median and high, each [...] years in 0..100.

    low <= median <= high, whatever the widening. float64 of NumPy's, JAX's as they come.
    """
    p = _wide(p)
    xp = p.__array_namespace__()
    low, median, high = (quantile_age(p, q) for q in (_TAILS[0], 0.5, _TAILS[1]))
    move = widening * (high - low)
    return xp.clip(low - move, 0, median), median, xp.clip(high + move, median, p.shape[-1] - 1)


def _is_number(x: Any) -> bool:
    return type(x) in (int, float) and abs(x) < 1e300


def _beyond(first: np.ndarray, last: np.ndarray, classes: int) -> np.ndarray:
    """bool [N, classes]: which classes are not of each row's range."""
    k = np.arange(classes)[None]
    return (k < first[:, None]) | (k > last[:, None])


def _log_sum_exp(z: np.ndarray) -> np.ndarray:
    top = z.max(-1, keepdims=True)
    return top[:, 0] + np.log(np.exp(z - top).sum(-1))


def _log(p: Any) -> Any:
    p = _wide(p)
    xp = p.__array_namespace__()
    return xp.log(xp.clip(p, _TINY, None))


def _wide(p: Any) -> Any:
    return p.astype(np.float64) if isinstance(p, np.ndarray) else p
