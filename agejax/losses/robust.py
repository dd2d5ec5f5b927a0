"""Losses of rows that forgive wrong labels.

As in `row_losses`, a loss is `(logits [B, classes], label int32 [B], **settings) -> float32 [B]`,
here of a softmax. With `sigma` 0 the target is the label alone, which suits genders; with `sigma`
above 0 it is the discretised normal of `label_distribution`, q, which suits ages. A label that is a
range of classes is right wherever in the range the truth is: its probability is that of the range.

A label far from the prediction moves the weights less and less, instead of the more the further it
is. What a network has not learned yet looks the same, and so do faces of rare ages.
"""

import math
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import optax

from agejax.losses import ranges
from agejax.losses.row_losses import label_distribution, suits
from agejax.models.heads import Softmax


def _generalised(nats: jax.Array, q: float) -> jax.Array:
    """(1 - p^q) / q of p = exp(-nats)."""
    if not 0 < q < math.inf:
        raise ValueError(f"q is {q}; it must be above 0")
    return -jnp.expm1(-q * nats) / q


def _generalised_of_range(
    logits: jax.Array, first: jax.Array, last: jax.Array, *, q: float = 0.7
) -> jax.Array:
    return _generalised(ranges.likelihood(logits, first, last), q)


@suits(Softmax, of_range=_generalised_of_range)
def generalised_cross_entropy(
    logits: jax.Array, label: jax.Array, *, q: float = 0.7, sigma: float = 0.0
) -> jax.Array:
    """(1 - p(label)^q) / q: generalised cross-entropy (Zhang and Sabuncu, NeurIPS 2018).

    As q goes to 0 it becomes the cross-entropy; at 1 it is the mean absolute error of the
    probabilities. Its gradient is that of the cross-entropy times p(label)^q. With `sigma` above 0
    p(label) is replaced by exp(-KL(q || p)), which is 1 where the label distribution is met.

    Args:
      logits: [B, classes].
      label: [B].
      q: above 0; 0.7 in the paper. Smaller values forgive less and learn faster.
      sigma: years; 0 for the label alone.

    Raises:
      ValueError: `q` is not positive, or `sigma` is negative.
    """
    return _generalised(_nats(logits, label, sigma), q)


def _bootstrapped_of_range(
    logits: jax.Array,
    first: jax.Array,
    last: jax.Array,
    *,
    beta: float = 0.95,
    hard: bool = False,
) -> jax.Array:
    return _bootstrapped(ranges.likelihood(logits, first, last), logits, beta, hard)


def _bootstrapped(nats: jax.Array, logits: jax.Array, beta: float, hard: bool) -> jax.Array:
    _share("beta", beta, most=1.0)
    log_p = jax.nn.log_softmax(logits)
    own = log_p.max(-1) if hard else (jnp.exp(log_p) * log_p).sum(-1)
    return beta * nats - (1 - beta) * own


@suits(Softmax, of_range=_bootstrapped_of_range)
def bootstrapping(
    logits: jax.Array,
    label: jax.Array,
    *,
    beta: float = 0.95,
    hard: bool = False,
    sigma: float = 0.0,
) -> jax.Array:
    """The cross-entropy with beta * label + (1 - beta) * the prediction itself, as the target.

    Reed et al., "Training deep neural networks on noisy labels with bootstrapping", ICLR workshop
    2015, equations 6 and 7. The soft form is beta * L - (1 - beta) * sum of p log p, where L is the
    cross-entropy, or the divergence from the label distribution with `sigma` above 0: a term that
    favours predictions of low entropy. The hard form takes the likeliest class for the truth.

    Args:
      logits: [B, classes].
      label: [B].
      beta: from 0 to 1; in the paper 0.95, and 0.8 for the hard form.
      hard: the hard form.
      sigma: years; 0 for the label alone.

    Raises:
      ValueError: `beta` is not within 0 and 1, or `sigma` is negative.
    """
    return _bootstrapped(_nats(logits, label, sigma), logits, beta, hard)


def _noisy_of_range(
    logits: jax.Array,
    first: jax.Array,
    last: jax.Array,
    *,
    rate: float = 0.1,
    shares: Sequence[float] | None = None,
) -> jax.Array:
    log_p = _with_noise(logits, rate, shares)
    classes = jnp.arange(logits.shape[-1], dtype=first.dtype)[None]
    within = (classes >= first[:, None]) & (classes <= last[:, None])
    return -jax.nn.logsumexp(jnp.where(within, log_p, -jnp.inf), axis=-1)


@suits(Softmax, of_range=_noisy_of_range)
def noise_rate(
    logits: jax.Array,
    label: jax.Array,
    *,
    rate: float = 0.1,
    sigma: float = 0.0,
    shares: Sequence[float] | None = None,
) -> jax.Array:
    """The loss of (1 - rate) p + rate w: a label is one of w with the probability `rate`.

    The forward correction of Patrini et al. (CVPR 2017), for a matrix of transitions that is
    (1 - rate) I + rate 1 w^T: -log of the label's probability, or KL(q || (1 - rate) p + rate w)
    with `sigma` above 0. p is what the network predicts: the truth, without the noise.

    Args:
      logits: [B, classes].
      label: [B].
      rate: the share of wrong labels, at least 0 and below 1, as `agejax audit` estimates it.
      sigma: years; 0 for the label alone.
      shares: w, [classes], positive numbers of any sum; None: each class is as likely. In a config
        also "training": as the training labels are distributed, as where labels were exchanged.

    Raises:
      ValueError: `rate` is not within 0 and 1, `sigma` is negative, or `shares` are not one
        positive number for each class.
    """
    _not_negative("sigma", sigma)
    log_p = _with_noise(logits, rate, shares)
    if not sigma:
        return -jnp.take_along_axis(log_p, label[:, None], axis=-1)[:, 0]
    classes = jnp.arange(log_p.shape[-1], dtype=log_p.dtype)[None]
    apart = (classes - label.astype(log_p.dtype)[:, None]) / sigma
    q = jax.nn.softmax(-(apart**2) / 2)
    return (jax.scipy.special.xlogy(q, q) - q * log_p).sum(-1)


def _with_noise(logits: jax.Array, rate: float, shares: Sequence[float] | None) -> jax.Array:
    """log((1 - rate) p + rate w), [B, classes]."""
    _share("rate", rate, most=math.nextafter(1.0, 0.0))
    log_p = jax.nn.log_softmax(logits)
    if not rate:
        return log_p
    classes = logits.shape[-1]
    w = [1.0] * classes if shares is None else list(shares)
    if len(w) != classes or not all(0 < x < math.inf for x in w):
        raise ValueError(f"shares are {len(w)}; they must be {classes} numbers above 0")
    log_w = jnp.asarray([math.log(rate * x / sum(w)) for x in w], log_p.dtype)
    return jnp.logaddexp(math.log1p(-rate) + log_p, log_w[None])


def _nats(logits: jax.Array, label: jax.Array, sigma: float) -> jax.Array:
    """[B]: -log p(label), or with `sigma` the divergence from the label distribution."""
    _not_negative("sigma", sigma)
    if sigma:
        return label_distribution(logits, label, sigma=sigma)
    return optax.softmax_cross_entropy_with_integer_labels(logits, label)


def _not_negative(name: str, value: float) -> None:
    if not 0 <= value < math.inf:
        raise ValueError(f"{name} is {value}; it must be 0 or above")


def _share(name: str, value: float, most: float) -> None:
    if not 0 <= value <= most:
        end = "to" if most == 1 else "to below"
        raise ValueError(f"{name} is {value}; it must be from 0 {end} 1")
