"""Each loss against its formula in NumPy, at its limits, and as what a small network learns by."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx
from jax.test_util import check_grads

from agejax.labels import median_age
from agejax.losses.row_losses import (
    cross_entropy,
    expected_label_distribution,
    l1,
    label_distribution,
    mean_variance,
    ordinal,
    sord,
)
from agejax.models.heads import Coral, OrdinalCNN, Regression, Softmax

pytestmark = pytest.mark.usefixtures("quick_compilation")

SOFT = [cross_entropy, label_distribution, expected_label_distribution, mean_variance, sord]
ALL = [(Softmax, loss) for loss in SOFT]
ALL += [(OrdinalCNN, ordinal), (Coral, ordinal), (Regression, l1)]
WIDTH = {cross_entropy: 101, ordinal: 100, l1: 1}
LABEL = np.array([0, 1, 37, 99, 100], np.int32)
AGES = np.arange(101)


def logits(width=101, scale=2.0):
    return np.random.default_rng(0).normal(size=(len(LABEL), width)).astype(np.float32) * scale


def value(loss, x, label=LABEL, **settings):
    rows = loss(jnp.asarray(x), jnp.asarray(label), **settings)
    assert rows.shape == label.shape
    assert rows.dtype == jnp.float32
    return np.asarray(rows)


def log_softmax(x):
    x = np.asarray(x, np.float64)
    return (
        x
        - np.log(np.exp(x - x.max(-1, keepdims=True)).sum(-1, keepdims=True))
        - x.max(-1, keepdims=True)
    )


def own(x):
    return log_softmax(x)[np.arange(len(LABEL)), LABEL]


def mean(x):
    return (np.exp(log_softmax(x)) * AGES).sum(-1)


def kl(q, x):
    q = q / q.sum(-1, keepdims=True)
    terms = np.where(q > 0, q * (np.log(np.where(q > 0, q, 1)) - log_softmax(x)), 0)
    return terms.sum(-1)


def apart():
    return np.abs(AGES - LABEL[:, None])


def test_cross_entropy():
    x = logits()
    np.testing.assert_allclose(value(cross_entropy, x), -own(x), rtol=1e-5)
    smooth = -0.9 * own(x) - 0.1 * log_softmax(x).mean(-1)
    np.testing.assert_allclose(value(cross_entropy, x, smoothing=0.1), smooth, rtol=1e-5)


def test_label_distribution_and_its_expectation():
    x = logits()
    normal = kl(np.exp(-(apart() ** 2) / (2 * 3.0**2)), x)
    np.testing.assert_allclose(value(label_distribution, x, sigma=3.0), normal, rtol=1e-4)
    both = normal + 0.5 * np.abs(mean(x) - LABEL)
    got = value(expected_label_distribution, x, sigma=3.0, weight=0.5)
    np.testing.assert_allclose(got, both, rtol=1e-4)


def test_mean_variance():
    x = logits()
    variance = (np.exp(log_softmax(x)) * (AGES - mean(x)[:, None]) ** 2).sum(-1)
    expected = -own(x) + 0.2 * (mean(x) - LABEL) ** 2 / 2 + 0.05 * variance
    np.testing.assert_allclose(value(mean_variance, x), expected, rtol=1e-4)


def test_sord():
    x = logits()
    np.testing.assert_allclose(value(sord, x), kl(np.exp(-1.0 * apart()), x), rtol=1e-4)
    squared = value(sord, x, scale=0.125, power=2.0)
    np.testing.assert_allclose(squared, value(label_distribution, x, sigma=2.0), rtol=1e-5)


def test_ordinal():
    x = logits(100)
    p = 1 / (1 + np.exp(-x.astype(np.float64)))
    above = LABEL[:, None] > np.arange(100)
    expected = -np.where(above, np.log(p), np.log(1 - p)).sum(-1)
    np.testing.assert_allclose(value(ordinal, x), expected, rtol=1e-5)


def test_l1():
    x = np.array([[3.0], [1.0], [30.5], [99.0], [120.0]], np.float32)
    np.testing.assert_allclose(value(l1, x), [3, 0, 6.5, 0, 20])


@pytest.mark.parametrize("sigma", [0.1, 1e-3, 1e-30])
def test_a_distribution_without_width_is_the_cross_entropy(sigma):
    x = logits()
    np.testing.assert_allclose(value(label_distribution, x, sigma=sigma), -own(x), rtol=1e-5)


def test_a_sharp_sord_is_the_cross_entropy():
    x = logits()
    np.testing.assert_allclose(value(sord, x, scale=1e3), -own(x), rtol=1e-5)


@pytest.mark.parametrize(
    ("loss", "settings"),
    [(label_distribution, {"sigma": 0.0}), (sord, {"scale": -1.0}), (sord, {"power": 0.0})],
)
def test_settings_that_cannot_be_meant(loss, settings):
    with pytest.raises(ValueError, match="must be above 0"):
        value(loss, logits(), **settings)


def perfect(loss):
    """The logits at which each loss is at its least."""
    if loss is l1:
        return LABEL[:, None].astype(np.float32)
    if loss is ordinal:
        return np.where(LABEL[:, None] > np.arange(100), 30, -30).astype(np.float32)
    if loss in (label_distribution, expected_label_distribution):
        return (-(apart() ** 2) / 8).astype(np.float32)
    if loss is sord:
        return (-1.0 * apart()).astype(np.float32)
    return np.where(apart() == 0, 30, -30).astype(np.float32)


@pytest.mark.parametrize("loss", [*SOFT, ordinal, l1])
def test_a_perfect_prediction_is_the_minimum(loss):
    least = value(loss, perfect(loss))
    # At the ends the discretised normal is cut, and its mean lies inside of the label.
    inner = slice(2, 3) if loss is expected_label_distribution else slice(None)
    np.testing.assert_allclose(least[inner], 0, atol=1e-4)
    rng = np.random.default_rng(3)
    for scale in (0.1, 1.0, 10.0):
        moved = perfect(loss) + scale * rng.normal(size=perfect(loss).shape).astype(np.float32)
        assert (value(loss, moved)[inner] >= least[inner] - 1e-5).all()


@pytest.mark.parametrize("loss", [*SOFT, ordinal, l1])
@pytest.mark.parametrize("scale", [0.0, 1.0, 1e4])
def test_values_and_gradients_are_finite(loss, scale):
    x = np.sign(logits(WIDTH.get(loss, 101))) * np.float32(scale)
    rows, gradient = jax.value_and_grad(lambda x: loss(x, LABEL).sum())(jnp.asarray(x))
    assert np.isfinite(rows)
    assert np.isfinite(gradient).all()


@pytest.mark.parametrize("loss", SOFT)
def test_the_gradient_is_that_of_differences(loss):
    x = jnp.asarray(logits(11, 1.0))
    label = jnp.asarray([0, 3, 5, 9, 10], jnp.int32)
    check_grads(lambda x: loss(x, label).sum(), (x,), order=1, modes="rev", rtol=2e-2, atol=2e-2)


@pytest.mark.parametrize(
    ("kind", "loss"), ALL, ids=[f"{kind.__name__}-{loss.__name__}" for kind, loss in ALL]
)
def test_a_small_network_learns_by_it(kind, loss):
    rng = np.random.default_rng(0)
    age = rng.integers(0, 101, 256).astype(np.int32)
    angle = age[:, None] / 100 * np.pi  # an age painted as two numbers, with some noise
    x = np.concatenate([np.cos(angle), np.sin(angle)], 1) + rng.normal(size=(256, 2)) * 0.03
    x, label = jnp.asarray(x, jnp.float32), jnp.asarray(age)

    class Net(nnx.Module):
        def __init__(self, rngs):
            self.hidden = nnx.Linear(2, 32, rngs=rngs)
            self.head = kind(32, 101, rngs=rngs)

        def __call__(self, x):
            return self.head(jnp.tanh(self.hidden(x)))

    graph, params = nnx.split(Net(nnx.Rngs(0)))
    params = nnx.to_pure_dict(params)
    optimizer = optax.adam(3e-2)

    @functools.partial(jax.jit, static_argnums=2)
    def fit(params, opt, steps):
        def step(carry, _):
            params, opt = carry
            mean_loss = lambda params: loss(nnx.merge(graph, params)(x), label).mean()
            now, gradient = jax.value_and_grad(mean_loss)(params)
            with jax.numpy_dtype_promotion("standard"):
                updates, opt = optimizer.update(gradient, opt, params)
            return (optax.apply_updates(params, updates), opt), now

        (params, _), losses = jax.lax.scan(step, (params, opt), length=steps)
        net = nnx.merge(graph, params)
        return losses, net.head.probabilities(net(x))

    losses, p = fit(params, optimizer.init(params), 300)
    errors = np.abs(median_age(np.asarray(p, np.float64)) - age).mean()
    guess = np.abs(np.median(age) - age).mean()
    assert losses[-1] < 0.7 * losses[0]
    assert errors < 0.3 * guess, (errors, guess)
