"""Losses of rows, and how those of all tasks are combined into one number.

The loss of a task is `(logits [B, ...], label int32 [B], **settings) -> float32 [B]`. Ages are
classes, one a year, so that a class means a year everywhere below.
"""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import optax

from agejax.losses import ranges
from agejax.losses.selection import small_losses
from agejax.models.heads import Coral, OrdinalCNN, Regression, Softmax
from agejax.types import Batch

RowLoss = Callable[..., jax.Array]  # (logits, label[, last class of a range])
_Loss = TypeVar("_Loss", bound=Callable[..., jax.Array])


def suits(*heads: type, of_range: RowLoss | None = None) -> Callable[[_Loss], _Loss]:
    """Declares the heads that a loss accepts; a loss without this declaration is tried with any.

    `of_range` is the loss of a label that is a range of classes; see `agejax.losses.ranges`.
    """

    def note(loss: _Loss) -> _Loss:
        vars(loss).update(heads=heads, of_range=of_range)
        return loss

    return note


def with_ranges(loss: RowLoss, of_range: RowLoss) -> RowLoss:
    """(logits, label[, last]) -> [B]: `of_range` where `last` is above the label, else `loss`."""

    def rows(logits: jax.Array, label: jax.Array, last: jax.Array | None = None) -> jax.Array:
        exact = loss(logits, label)
        if last is None:
            return exact
        return jnp.where(last > label, of_range(logits, label, last), exact)

    return rows


@suits(Softmax, of_range=ranges.likelihood)
def cross_entropy(logits: jax.Array, label: jax.Array, *, smoothing: float = 0.0) -> jax.Array:
    """-log p(label), in nats: DEX (Rothe et al., IJCV 2018).

    Args:
      logits: [B, classes].
      label: [B].
      smoothing: the share of the target that is spread over all classes (Szegedy et al., CVPR 2016,
        who took 0.1).
    """
    own = optax.softmax_cross_entropy_with_integer_labels(logits, label)
    if not smoothing:
        return own
    return (1 - smoothing) * own - smoothing * jax.nn.log_softmax(logits).mean(-1)


@suits(Softmax, of_range=ranges.likelihood)
def label_distribution(logits: jax.Array, label: jax.Array, *, sigma: float = 2.0) -> jax.Array:
    """KL(q || p), in nats, q a discretised normal around the label: DLDL (Gao et al., TIP 2017).

    q(k) is proportional to exp(-(k - label)^2 / (2 sigma^2)), normalised over the classes. As
    `sigma` goes to 0 the loss becomes the cross-entropy.

    Args:
      logits: [B, classes].
      label: [B].
      sigma: years; 2 in their paper and in the CVPR 2024 benchmark ("A Call to Reflect ...").

    Raises:
      ValueError: `sigma` is not positive.
    """
    _positive("sigma", sigma)
    return _divergence(-((_distance(logits, label) / sigma) ** 2) / 2, logits)


@suits(Softmax, of_range=ranges.likelihood)
def expected_label_distribution(
    logits: jax.Array, label: jax.Array, *, sigma: float = 2.0, weight: float = 1.0
) -> jax.Array:
    """`label_distribution` + weight * |E[age] - label|: DLDL-v2 (Gao et al., IJCAI 2018).

    Args:
      logits: [B, classes].
      label: [B].
      sigma: years.
      weight: of the error of the mean, in nats per year; 1 in their paper and code.
    """
    divergence = label_distribution(logits, label, sigma=sigma)
    return divergence + weight * abs(_mean(logits) - label.astype(logits.dtype))


@suits(Softmax, of_range=ranges.likelihood)
def mean_variance(
    logits: jax.Array, label: jax.Array, *, mean: float = 0.2, variance: float = 0.05
) -> jax.Array:
    """Cross-entropy + mean * (E[age] - label)^2 / 2 + variance * Var[age] (Pan et al., CVPR 2018).

    Args:
      logits: [B, classes].
      label: [B].
      mean: weight of the squared error; the default is theirs.
      variance: weight of the distribution's variance; the default is theirs.
    """
    error = _mean(logits) - label.astype(logits.dtype)
    from_mean = _classes(logits) - _mean(logits)[:, None]
    spread = (jax.nn.softmax(logits) * from_mean**2).sum(-1)
    return cross_entropy(logits, label) + mean * error**2 / 2 + variance * spread


@suits(Softmax, of_range=ranges.likelihood)
def sord(
    logits: jax.Array, label: jax.Array, *, scale: float = 1.0, power: float = 1.0
) -> jax.Array:
    """KL(q || p), in nats, where q(k) ~ exp(-scale * |k - label|^power).

    SORD (Diaz and Marathe, CVPR 2019). The paper leaves the distance open. With `power` 2 the loss
    is `label_distribution` of sigma = (2 * scale)^-0.5; the CVPR 2024 benchmark used 1.

    Args:
      logits: [B, classes].
      label: [B].
      scale: the paper's s, per year.
      power: exponent of the distance.

    Raises:
      ValueError: `scale` or `power` is not positive.
    """
    _positive("scale", scale)
    _positive("power", power)
    return _divergence(-scale * _distance(logits, label) ** power, logits)


@suits(OrdinalCNN, Coral, of_range=ranges.ordinal)
def ordinal(logits: jax.Array, label: jax.Array) -> jax.Array:
    """The sum of the binary cross-entropies of "above class k", in nats.

    As in OR-CNN (Niu et al., CVPR 2016) and CORAL (Cao et al., 2020), with equal weights for all
    thresholds. As there it is the sum over the classes - 1 thresholds, not the mean: for ages it
    starts at 30 to 100 nats, so that other tasks may need a larger weight.

    Args:
      logits: [B, classes - 1].
      label: [B].
    """
    above = label[:, None] > jnp.arange(logits.shape[-1], dtype=label.dtype)[None]
    return jax.nn.softplus(jnp.where(above, -logits, logits)).sum(-1)


@suits(Regression, of_range=ranges.distance)
def l1(logits: jax.Array, label: jax.Array) -> jax.Array:
    """|age - label|, in years: the baseline for the other losses.

    Args:
      logits: [B, 1].
      label: [B].
    """
    return abs(logits[:, 0] - label.astype(logits.dtype))


def counted(batch: Batch) -> dict[str, jax.Array]:
    """{task: float32 [B]}: 1 where the row is not padding and its label is known, else 0."""
    return {t: (known & batch["mask"]).astype(jnp.float32) for t, known in batch["known"].items()}


def multitask_loss(
    logits: Mapping[str, jax.Array],
    batch: Batch,
    weights: Mapping[str, float],
    counts: Mapping[str, jax.Array],
    *,
    losses: Mapping[str, RowLoss] | None = None,
    class_weights: Mapping[str, Any] | None = None,
    part: jax.Array | None = None,
    shares: Mapping[str, float] | None = None,
    drop: Mapping[str, jax.Array] | None = None,
) -> jax.Array:
    """The weighted average over tasks of the mean losses of their rows, a scalar.

    Where the batch has weights of labels, these multiply the loss of each row.

    Args:
      logits: {task: float32 [B, ...]}.
      batch: B faces, possibly a part of a larger batch.
      weights: {task: weight}; equal ones give the plain average.
      counts: {task: number of known labels in the whole batch}, so that the losses of a batch's
        parts add up to the loss of the whole, whichever part the unknown labels are in.
      losses: {task: loss of rows}; `cross_entropy` by default.
      class_weights: {task: float32 [classes]}, which multiply the loss of each row. Their mean is 1
        over the training faces, not over a batch, whose sum is still divided by the number of
        labels: a batch with many rare ages counts more.
      part: float32 [B], factor of each row's loss; None for 1.
      drop: {task: share of the labels that is left out}, those of the largest losses, of exact
        labels and of ranges apart, whose losses differ; of the batch given, padding aside.
      shares: {task: factor of its loss}, 1 by default: what labels count for beside a teacher.
    """
    losses, class_weights, shares = losses or {}, class_weights or {}, shares or {}
    drop = drop or {}
    total = jnp.float32(0)
    for task, known in counted(batch).items():
        rows = known if part is None else known * part
        label, last = batch["labels"][task], batch.get("upto", {}).get(task)
        given = (label,) if last is None else (label, last)
        if task in class_weights:
            rows = rows * _weight(jnp.asarray(class_weights[task], jnp.float32), *given)
        if "weights" in batch:
            rows = rows * batch["weights"][task]
        of_rows = losses.get(task, cross_entropy)(logits[task], *given)
        if task in drop:
            rows = rows * _selected(of_rows, known > 0, drop[task], *given)
        weight = weights[task] * shares.get(task, 1)
        total += weight * (of_rows * rows).sum() / jnp.maximum(counts[task], 1)
    return total / sum(weights.values())


def _selected(
    loss: jax.Array, rows: jax.Array, share: jax.Array, label: jax.Array, last: Any = None
) -> jax.Array:
    """[B]: `small_losses` among exact labels, and among those that are ranges."""
    if last is None:
        return small_losses(loss, rows, share)
    exact = last == label
    return small_losses(loss, rows & exact, share) + small_losses(loss, rows & ~exact, share)


def _weight(weights: jax.Array, label: jax.Array, last: jax.Array | None = None) -> jax.Array:
    """[B]: the weight of each label; for a range, the mean over its classes."""
    if last is None:
        return weights[label]
    upper = jnp.pad(jnp.cumsum(weights), (1, 0))
    mean = (upper[last + 1] - upper[label]) / (last + 1 - label).astype(weights.dtype)
    return jnp.where(last > label, mean, weights[label])


def _classes(logits: jax.Array) -> jax.Array:
    """[B, classes] -> 0, 1, ..., float [1, classes]."""
    return jnp.arange(logits.shape[-1], dtype=logits.dtype)[None]


def _distance(logits: jax.Array, label: jax.Array) -> jax.Array:
    """[B, classes]: the distance of each class from the label."""
    return abs(_classes(logits) - label.astype(logits.dtype)[:, None])


def _mean(logits: jax.Array) -> jax.Array:
    """[B]: the expected class."""
    return (jax.nn.softmax(logits) * _classes(logits)).sum(-1)


def _divergence(target: jax.Array, logits: jax.Array) -> jax.Array:
    """[B]: KL(softmax(target) || softmax(logits)) in nats; `target` may be -inf."""
    q = jax.nn.softmax(target)
    return (jax.scipy.special.xlogy(q, q) - q * jax.nn.log_softmax(logits)).sum(-1)


def _positive(name: str, value: float) -> None:
    if not value > 0:
        raise ValueError(f"{name} is {value}; it must be above 0")
