"""Calibration: probabilities and age intervals corrected on the validation split.

First, a temperature for each task sharpens or flattens its distributions; then tasks configured
with logit adjustment are corrected for class imbalance. All reported values are computed from the
result, including the age (its median). A printed age is therefore always the median of the printed
distribution, and validation, evaluation and prediction cannot differ. Last comes the 90% interval
of ages: the 5% and 95% quantiles, moved until the interval covers 90% of the validation faces.
"""

import dataclasses
import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

from agejax.labels import quantile_age
from agejax.metrics import interval_groups
from agejax.metrics.challenge import check_saved

LEVEL = 0.9  # of the age interval
_TAILS = (1 - LEVEL) / 2, (1 + LEVEL) / 2
_COLDEST, _HOTTEST = 0.2, 5.0
_FEWEST = interval_groups.fewest(LEVEL)  # labels to which an interval can be fitted
_TINY = 1e-30  # lower bound of probabilities, as in the metrics' NLL
_LEAST, _MOST = 1e-3, 1e3  # accepted values of temperatures and of nats
_ALL_AGES = 1000.0  # a widening that reaches 0 and 100 from any quantiles


@dataclasses.dataclass(frozen=True)
class Calibration:
    """Parameters fitted on validation; an empty one changes nothing. JSON-serialisable.

    Attributes:
      temperature: {task: T > 0}; distributions become p**(1/T), normalised.
      widening: {task: share}, how far each end of the 90% interval moves outwards, as a fraction of
        the distance between the 5% and 95% quantiles; negative values move it inwards.
      n: number of validation faces it was fitted on.
      offset: {task: [classes] nats}, added to the logits after temperature scaling.
      challenge: {threshold: limits}, in years; see `agejax.metrics.challenge.fit_challenge`.
      by_group: {"age": widenings of predicted groups}, which replace `widening` where they exist;
        see `agejax.metrics.interval_groups.fit_groups`.
    """

    temperature: Mapping[str, float] = dataclasses.field(default_factory=dict)
    widening: Mapping[str, float] = dataclasses.field(default_factory=dict)
    n: int = 0
    offset: Mapping[str, Sequence[float]] = dataclasses.field(default_factory=dict)
    challenge: Mapping[str, Mapping[str, Any]] = dataclasses.field(default_factory=dict)
    by_group: Mapping[str, Mapping[str, Any]] = dataclasses.field(default_factory=dict)

    @property
    def thresholds(self) -> tuple[int, ...]:
        """The ages for which it has limits, ascending."""
        return tuple(sorted(map(int, self.challenge)))

    def of_tasks(self, names: Collection[str]) -> "Calibration":
        """The same calibration without the parameters of other tasks; age and gender stay."""
        kept = lambda part: {task: of for task, of in part.items() if task in names}
        return dataclasses.replace(
            self,
            temperature=kept(self.temperature),
            widening=kept(self.widening),
            offset=kept(self.offset),
        )

    @classmethod
    def from_json(cls, saved: Mapping[str, Any], classes: Mapping[str, int]) -> "Calibration":
        """Loads a calibration from JSON; older files lack some of its parts.

        Args:
          saved: the output of `dataclasses.asdict`.
          classes: {task: number of classes}.

        Raises:
          ValueError: a value that `fit` cannot produce.
        """
        names = {field.name for field in dataclasses.fields(cls)}
        if unknown := sorted(saved.keys() - names):
            raise ValueError(f"it has an unknown entry {unknown[0]!r:.40}")
        found = cls(**saved)
        if type(found.n) is not int or not 0 <= found.n < 2**63:
            raise ValueError(f"n is {found.n!r:.40}; it must be a number of faces")
        parts = {name: getattr(found, name) for name in ("temperature", "widening", "offset")}
        for name, of in parts.items():
            if not isinstance(of, Mapping):
                raise ValueError(f"{name} is {of!r:.40}; it must be a dict by task")
        for task, t in found.temperature.items():
            if not (_is_number(t) and _LEAST <= t <= 1 / _LEAST):
                raise ValueError(f"the temperature of {task!r:.40} is {t!r:.40}, not near 1")
        for task, share in found.widening.items():
            if not _is_number(share):
                raise ValueError(
                    f"the widening of {task!r:.40} is {share!r:.40}, not a finite number"
                )
        for task, nats in found.offset.items():
            many = isinstance(nats, list) and len(nats) == classes.get(task, len(nats))
            if not many or not all(_is_number(x) and abs(x) <= _MOST for x in nats):
                raise ValueError(f"the offset of {task!r:.40} is not a number for each class")
        check_saved(found.challenge)
        interval_groups.check_saved(found.by_group, found.widening, LEVEL)
        by_gender = any("gender" in of["by"] for of in found.by_group.values())
        if by_gender and classes.get("gender") != 2:
            raise ValueError("its groups are by gender, which is no task of two classes here")
        return found


def fit(
    probabilities: Mapping[str, np.ndarray],
    labels: Mapping[str, np.ndarray],
    known: Mapping[str, np.ndarray],
    ordinal: Collection[str] = ("age",),
    upto: Mapping[str, np.ndarray] | None = None,
    offset: Mapping[str, Sequence[float]] | None = None,
) -> Calibration:
    """Fits a calibration to validation predictions.

    Labels that are ranges enter the temperature, through the likelihood of the range. The interval
    is fitted to exact labels only; with fewer than 9 of them besides ranges, which cannot guarantee
    coverage, it stays at the plain quantiles.

    Args:
      probabilities: {task: [N, classes]}, as predicted by the model.
      labels: {task: int [N]}.
      known: {task: bool [N]}; a task without a known label is left unchanged.
      ordinal: the tasks whose classes are years, which get an interval.
      upto: {task: int [N]}, the last class of each label, of tasks that have ranges.
      offset: from `agejax.losses.balance.logit_offset`, for tasks with logit adjustment.
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
    """{task: [..., classes]} -> the calibrated probabilities, float32."""
    temperature, offset = calibration.temperature, calibration.offset
    return {
        task: tempered(p, temperature[task], offset.get(task)).astype(np.float32)
        if task in temperature
        else p
        for task, p in probabilities.items()
    }


def tempered(p: Any, temperature: float, offset: Sequence[float] | None = None) -> Any:
    """[..., classes] probabilities -> p**(1 / temperature) * exp(offset), normalised.

    NumPy arrays are computed in float64, JAX arrays (as in an exported model) in their own dtype.

    For a softmax this divides the logits (Guo et al., On Calibration of Modern Neural Networks,
    ICML 2017). It needs only the probabilities, so any head is supported.
    """
    xp = p.__array_namespace__()
    z = _log(p) / temperature
    if offset is not None:
        z = z + xp.asarray(offset, dtype=z.dtype).reshape((1,) * (z.ndim - 1) + (-1,))
    e = xp.exp(z - z.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def fit_temperature(p: np.ndarray, label: np.ndarray, last: np.ndarray | None = None) -> float:
    """The temperature in [0.2, 5] that minimises the NLL (Guo et al., ICML 2017).

    The NLL of exact labels is convex in 1 / T, so a golden-section search in log T finds its
    minimum. The NLL of ranges subtracts a convex term; in practice it has a single minimum, too.

    Args:
      p: [N, classes] probabilities, N > 0.
      label: int [N].
      last: int [N], the last class where labels are ranges.
    """
    z = _log(p)
    own = np.take_along_axis(z, label[:, None], axis=-1)
    z = z - own  # the NLL of an exact label is now log sum exp
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
    for _ in range(30):  # converges to 1e-6 in log T
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
    """The widening with which 90% of ages lie inside their interval: split-conformal prediction.

    Conformalised quantiles (Romano, Patterson, Candès, NeurIPS 2019) with the score relative to
    each interval's own width (CQR-r; Sesia, Candès, Stat 2020): intervals are widened in
    proportion, so that a child's narrow interval does not grow by as many years as an old person's.
    A new face of the same distribution is then inside with 90% probability; slightly less if these
    faces were also used to choose the checkpoint and the temperature.

    Args:
      p: [N, 101] probabilities. With N < 9 nothing can be guaranteed: the interval is 0 to 100.
      age: int [N] years.
    """
    score = np.sort(needed_widening(p, age))
    rank = interval_groups.rank(len(score), LEVEL)
    return float(score[rank - 1]) if rank <= len(score) else _ALL_AGES


def needed_widening(p: np.ndarray, age: np.ndarray) -> np.ndarray:
    """float [N]: the smallest widening with which each age is inside its interval."""
    low, high = (quantile_age(p, q) for q in _TAILS)
    return np.maximum(low - age, age - high) / (high - low)


def age_interval(p: Any, widening: Any = 0.0) -> tuple[Any, Any, Any]:
    """[..., 101] probabilities -> low, median and high, each [...] years in 0..100.

    low <= median <= high, whatever the widening, one for all or [...]. float64 for NumPy arrays;
    JAX arrays keep their dtype.
    """
    p = _wide(p)
    xp = p.__array_namespace__()
    low, median, high = (quantile_age(p, q) for q in (_TAILS[0], 0.5, _TAILS[1]))
    move = widening * (high - low)
    return xp.clip(low - move, 0, median), median, xp.clip(high + move, median, p.shape[-1] - 1)


def _is_number(x: Any) -> bool:
    return type(x) in (int, float) and abs(x) < 1e300


def _beyond(first: np.ndarray, last: np.ndarray, classes: int) -> np.ndarray:
    """bool [N, classes]: the classes outside each row's range."""
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
