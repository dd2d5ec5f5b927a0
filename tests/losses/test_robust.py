"""Losses that forgive wrong labels, against their formulas in NumPy, and what they are for."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from agejax import config as configs
from agejax.config import label_counts, tasks
from agejax.errors import UserError
from agejax.losses.robust import bootstrapping, generalised_cross_entropy, noise_rate
from agejax.losses.row_losses import cross_entropy, label_distribution
from agejax.losses.selection import share_at, small_losses
from agejax.models.heads import SplineSoftmax

pytestmark = pytest.mark.usefixtures("quick_compilation")

LABEL = np.array([0, 37, 99, 100], np.int32)
LOGITS = np.random.default_rng(0).normal(size=(4, 101)).astype(np.float32) * 2
P = np.exp(LOGITS.astype(np.float64))
P /= P.sum(1, keepdims=True)
OWN = P[np.arange(4), LABEL]
Q = np.exp(-((np.arange(101) - LABEL[:, None]) ** 2) / (2 * 2.0**2))
Q /= Q.sum(1, keepdims=True)
ALL = [generalised_cross_entropy, bootstrapping, noise_rate]


def value(loss, x=LOGITS, label=LABEL, **settings):
    of = jax.jit(functools.partial(loss, **settings))  # one program, not one for each operation
    return np.asarray(of(jnp.asarray(x), jnp.asarray(label)))


def kl(p):
    return (Q * (np.log(np.maximum(Q, 1e-300)) - np.log(p))).sum(1)


def close(got, expected):
    np.testing.assert_allclose(got, expected, rtol=2e-4, atol=1e-6)


def test_generalised_cross_entropy():
    close(value(generalised_cross_entropy, q=0.7), (1 - OWN**0.7) / 0.7)
    close(value(generalised_cross_entropy, q=1.0), 1 - OWN)
    np.testing.assert_allclose(value(generalised_cross_entropy, q=1e-4), -np.log(OWN), rtol=2e-3)
    close(value(generalised_cross_entropy, sigma=2.0), (1 - np.exp(-0.7 * kl(P))) / 0.7)


def test_bootstrapping():
    entropy = -(P * np.log(P)).sum(1)
    close(value(bootstrapping, beta=0.9), -0.9 * np.log(OWN) + 0.1 * entropy)
    close(value(bootstrapping, beta=0.9, sigma=2.0), 0.9 * kl(P) + 0.1 * entropy)
    close(value(bootstrapping, beta=0.8, hard=True), -0.8 * np.log(OWN) - 0.2 * np.log(P.max(1)))


def test_noise_rate():
    close(value(noise_rate, rate=0.2), -np.log(0.8 * OWN + 0.2 / 101))
    shares = np.arange(1, 102)
    w = 0.2 * shares / shares.sum()
    close(value(noise_rate, rate=0.2, shares=tuple(shares.tolist())), -np.log(0.8 * OWN + w[LABEL]))
    close(value(noise_rate, rate=0.2, sigma=2.0), kl(0.8 * P + 0.2 / 101))


@pytest.mark.parametrize(
    ("loss", "settings"), [(bootstrapping, {"beta": 1.0}), (noise_rate, {"rate": 0.0})]
)
def test_without_any_forgiveness_they_are_the_plain_losses(loss, settings):
    close(value(loss, **settings), value(cross_entropy))
    close(value(loss, sigma=2.0, **settings), value(label_distribution))


FIRST, LAST = np.array([0, 20, 25, 70], np.int32), np.array([9, 29, 25, 100], np.int32)


@pytest.mark.parametrize(
    ("loss", "settings", "expected"),
    [
        (generalised_cross_entropy, {"q": 0.5}, lambda p: (1 - p**0.5) / 0.5),
        (noise_rate, {"rate": 0.2}, lambda p: -np.log(0.8 * p + 0.2 * (LAST - FIRST + 1) / 101)),
        (bootstrapping, {"beta": 1.0}, lambda p: -np.log(p)),
    ],
)
def test_a_range_has_the_probability_of_all_its_classes(loss, settings, expected):
    inside = np.array([p[a : b + 1].sum() for p, a, b in zip(P, FIRST, LAST, strict=True)])
    task = tasks.Task(101, loss=loss, loss_args=settings)
    of_ranges = lambda x, first: task.row_loss(x, first, jnp.asarray(LAST))
    close(value(of_ranges, label=FIRST), expected(inside))


@pytest.mark.parametrize("loss", ALL)
@pytest.mark.parametrize("sigma", [0.0, 2.0])
def test_values_and_gradients_are_finite(loss, sigma):
    of = jax.jit(jax.value_and_grad(lambda x: loss(x, jnp.asarray(LABEL), sigma=sigma).sum()))
    for scale in (0.0, 1.0, 1e4):
        rows, gradient = of(jnp.asarray(np.sign(LOGITS) * np.float32(scale)))
        assert np.isfinite(rows)
        assert np.isfinite(gradient).all()


@pytest.mark.parametrize("loss", [generalised_cross_entropy, noise_rate])
def test_a_label_far_from_the_prediction_moves_it_less(loss):
    sure = jnp.zeros((1, 2)).at[0, 0].set(8.0)
    label = jnp.array([1])
    pull = lambda loss: float(abs(jax.jit(jax.grad(lambda x: loss(x, label)[0]))(sure)).max())
    assert pull(loss) < 0.1 * pull(cross_entropy)


@pytest.mark.parametrize(
    ("loss", "settings", "said"),
    [
        (generalised_cross_entropy, {"q": 0.0}, "q is 0.0; it must be above 0"),
        (generalised_cross_entropy, {"sigma": -1.0}, "sigma is -1.0"),
        (bootstrapping, {"beta": 1.5}, "beta is 1.5; it must be from 0 to 1"),
        (noise_rate, {"rate": 1.0}, "rate is 1.0; it must be from 0 to below 1"),
        (noise_rate, {"shares": (1.0, 2.0)}, "must be 101 numbers above 0"),
        (noise_rate, {"shares": "all"}, "must be 101 numbers above 0"),
    ],
)
def test_settings_that_cannot_be_meant(loss, settings, said):
    given = {"age": tasks.Task(101, loss=loss, loss_args=settings), "gender": tasks.Task(2)}
    with pytest.raises(UserError, match=said):
        tasks.check({name: vars(task) for name, task in given.items()})


def test_a_config_names_them_and_is_read_again():
    config = configs.default()
    configs.update(config, {"tasks.age.loss": "agejax.losses.robust:noise_rate"})
    args = {"rate": 0.2, "sigma": 2.0, "shares": "training"}
    configs.update(config, {"tasks.age.loss_args": args, "tasks.age.drop": 0.2})
    configs.update(config, {"tasks.age.head": "agejax.models.heads:SplineSoftmax"})
    tasks.check(config.tasks)
    again = configs.from_json(configs.to_json(config), "here")
    age = tasks.read(again.tasks)["age"]
    assert (age.loss, age.head, age.drop) == (noise_rate, SplineSoftmax, 0.2)
    labels, known = {"age": np.array([3, 3, 7])}, {"age": np.array([True, True, False])}
    shares = label_counts.label_shares({"age": age}, labels, known)["age"]
    assert shares[3] == pytest.approx(3 / 103)
    assert sum(shares) == pytest.approx(1)
    given = value(age.row_loss_by(shares))
    close(given, kl(0.8 * P + 0.2 * np.array(shares)))


@pytest.mark.parametrize(("key", "value"), [("drop", 1.0), ("drop", -0.1), ("drop_steps", -1)])
def test_a_share_that_cannot_be_left_out(key, value):
    config = configs.default()
    with config.unlocked():
        config.tasks.age[key] = value
    with pytest.raises(UserError, match=rf"config\.tasks\.age\.{key} is "):
        tasks.check(config.tasks)


def test_the_largest_losses_are_left_out_and_the_scale_stays():
    loss = jnp.array([5.0, 1.0, 9.0, 2.0, 3.0, 7.0])
    rows = jnp.array([True, True, False, True, True, True])
    factor = jax.jit(small_losses)
    np.testing.assert_allclose(factor(loss, rows, jnp.float32(0)), [1, 1, 0, 1, 1, 1])
    np.testing.assert_allclose(factor(loss, rows, jnp.float32(0.4)), [0, 5 / 3, 0, 5 / 3, 5 / 3, 0])
    np.testing.assert_allclose(factor(loss, jnp.zeros(6, bool), jnp.float32(0.4)), 0)
    summed = jax.jit(jax.grad(lambda x: small_losses(x, rows, jnp.float32(0.4)).sum()))
    assert not summed(loss).any()


def test_the_share_rises():
    at = lambda step, steps: float(share_at(jnp.int32(step), 0.2, steps))
    assert [at(0, 100), at(50, 100), at(500, 100)] == pytest.approx([0, 0.1, 0.2])
    assert at(0, 0) == pytest.approx(0.2)
