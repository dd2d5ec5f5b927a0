"""Losses between a teacher's distributions and the logits of a student.

Hinton, Vinyals and Dean, "Distilling the Knowledge in a Neural Network" (2015). For each kind of
head it is the loss of a label, averaged over the teacher's distribution of labels, less the entropy
of that distribution where the loss is a cross-entropy.
"""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp

from agejax.models.heads import Coral, Head, OrdinalCNN, Regression, Softmax

_TINY = 1e-30  # lower bound of probabilities, as in the metrics' NLL


def distillation_loss(
    heads: Mapping[str, Head],
    logits: Mapping[str, jax.Array],
    targets: Mapping[str, jax.Array],
    rows: jax.Array,
    count: jax.Array | float,
    weights: Mapping[str, float],
    temperature: float = 1.0,
) -> jax.Array:
    """The weighted mean losses of the tasks that are taught; see `multitask_loss`: a scalar.

    Args:
      heads: {task: the student's head}.
      logits: {task: float32 [B, ...]}, of the student.
      targets: {task: float32 [B, classes]}, the teacher's probabilities, of the tasks it teaches.
      rows: float32 [B]: 1 where the row counts, 0 where it is padding.
      count: the number of rows that count in the whole batch, of which these may be a part.
      weights: {task: weight}, of all tasks of the student.
      temperature: see `from_teacher`.
    """
    total = jnp.float32(0)
    for task, target in targets.items():
        of_rows = from_teacher(heads[task], logits[task], target, temperature=temperature)
        total += weights[task] * (of_rows * rows).sum() / jnp.maximum(count, 1)
    return total / sum(weights.values())


def from_teacher(
    head: Head, logits: jax.Array, target: jax.Array, *, temperature: float = 1.0
) -> jax.Array:
    """[B]: how far the logits of a head are from a teacher's distributions.

    A softmax: KL(target || student), in nats. Ordinal heads: the sum over thresholds of the KL
    between the probabilities of being above them, in nats. A regression: the expected distance of
    its number from the target, in years. Any other head: the KL of its probabilities.

    Args:
      head: the student's.
      logits: float32 [B, ...], in the form of the head.
      target: float32 [B, classes], probabilities.
      temperature: T > 0, for heads that are a softmax: both distributions become p**(1/T),
        normalised, and the loss is multiplied by T**2, which leaves the size of gradients as it is
        (Hinton et al., section 2).
    """
    if isinstance(head, Regression):
        years = jnp.arange(target.shape[-1], dtype=logits.dtype)[None]
        return (target * abs(logits - years)).sum(-1)
    if isinstance(head, OrdinalCNN | Coral):
        above = jnp.clip(1 - jnp.cumsum(target, axis=-1)[:, :-1], 0, 1)
        entropy = -(_xlogx(above) + _xlogx(1 - above))
        return (jax.nn.softplus(logits) - above * logits - entropy).sum(-1)
    if isinstance(head, Softmax):
        log_p = jax.nn.log_softmax(logits / temperature)
        soft = jnp.log(jnp.clip(target, _TINY, None)) / temperature
        target = target if temperature == 1 else jax.nn.softmax(soft)
    else:
        log_p = jnp.log(jnp.clip(head.probabilities(logits), _TINY, None))
    return temperature**2 * (_xlogx(target) - target * log_p).sum(-1)


def suits_temperature(head: Any) -> bool:
    """Whether distributions of a head's class can be softened by a temperature."""
    return isinstance(head, type) and issubclass(head, Softmax)


def _xlogx(p: jax.Array) -> jax.Array:
    return jax.scipy.special.xlogy(p, p)
