import flax.nnx as nnx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from agejax.labels import DECODINGS, mean_age, median_age
from agejax.models.heads import (
    Coral,
    OrdinalCNN,
    Regression,
    Softmax,
    SplineSoftmax,
    cubic_splines,
    from_exceedances,
)

pytestmark = pytest.mark.usefixtures("quick_compilation")

HEADS = [Softmax, SplineSoftmax, OrdinalCNN, Coral, Regression]


def head(kind, features=16, classes=101, **settings):
    return kind(features, classes, rngs=nnx.Rngs(0), **settings)


def features(n=5):
    return jnp.asarray(np.random.default_rng(0).normal(size=(n, 16)), jnp.float32)


def sigmoid(x):
    return 1 / (1 + np.exp(-np.asarray(x, np.float64)))


@pytest.mark.parametrize("kind", HEADS)
@pytest.mark.parametrize("classes", [101, 2])
@pytest.mark.parametrize("scale", [1, 1e4])
def test_probabilities_are_a_distribution_whatever_the_logits(kind, classes, scale):
    net = head(kind, classes=classes)
    p = net.probabilities(net(features()) * scale)
    assert p.shape == (5, classes)
    assert p.dtype == jnp.float32
    assert (p >= 0).all()
    np.testing.assert_allclose(p.sum(-1), 1, atol=1e-5)


@pytest.mark.parametrize("kind", HEADS)
def test_a_head_takes_bfloat16_and_loses_no_age_to_it(kind):
    net = head(kind, dtype=jnp.bfloat16)
    exact = head(kind, dtype=jnp.float32)
    age = lambda h, x: mean_age(h.probabilities(h(x).astype(jnp.float32)))
    x = features().astype(jnp.bfloat16)
    np.testing.assert_allclose(age(net, x), age(exact, x.astype(jnp.float32)), atol=0.5)


def test_softmax_keeps_the_tree_and_the_draws_of_the_plain_layer():
    ours, plain = head(Softmax), nnx.Linear(16, 101, rngs=nnx.Rngs(0))
    a, b = (nnx.to_pure_dict(nnx.state(layer, nnx.Param)) for layer in (ours, plain))
    jax.tree.map(np.testing.assert_array_equal, a, b)


@pytest.mark.parametrize("knots", [(0, 1, 3, 6, 10, 20, 40, 70, 100), (0, 1, 3, 4), (0, 1)])
def test_splines_are_scipys(knots):
    from scipy.interpolate import BSpline

    points = np.arange(knots[-1] + 1, dtype=float)
    padded = np.r_[[knots[0]] * 3, knots, [knots[-1]] * 3].astype(float)
    ours = cubic_splines(knots, len(points))
    theirs = BSpline.design_matrix(points, padded, 3).toarray().T
    np.testing.assert_allclose(ours, theirs, atol=1e-6)


def test_a_group_is_shaped_by_its_neighbours():
    """Of 20-29, more mass lies where the group beside it is likelier."""
    net, x = head(SplineSoftmax), jnp.ones((1, 16))
    graph, params = nnx.split(net)

    def loss(params):
        log_p = jax.nn.log_softmax(nnx.merge(graph, params)(x))[0]
        shares = jnp.stack([jax.nn.logsumexp(log_p[a : b + 1]) for a, b in ((20, 29), (30, 39))])
        return -(jnp.asarray([0.6, 0.4]) * shares).sum()

    step = jax.jit(lambda p: jax.tree.map(lambda w, g: w - 0.05 * g, p, jax.grad(loss)(p)))
    for _ in range(300):
        params = step(params)
    p = np.asarray(net.probabilities(nnx.merge(graph, params)(x)))[0]
    assert p[25:30].sum() > 1.2 * p[20:25].sum()
    assert np.abs(np.diff(np.log(p[15:45]), 2)).max() < 0.3  # no step at a border


@pytest.mark.parametrize("kind", [OrdinalCNN, Coral])
def test_ordinal_heads_start_from_the_uniform_distribution(kind):
    net = head(kind)
    p = net.probabilities(net(jnp.zeros((1, 16))))
    np.testing.assert_allclose(p, 1 / 101, rtol=1e-3)


def test_thresholds_that_agree_are_differenced():
    x = np.sort(np.random.default_rng(1).normal(size=(4, 9)) * 3)[:, ::-1].copy()
    above = np.pad(sigmoid(x), ((0, 0), (1, 1)), constant_values=((0, 0), (1, 0)))
    got = from_exceedances(jnp.asarray(x, jnp.float32))
    np.testing.assert_allclose(got, above[:, :-1] - above[:, 1:], atol=1e-6)


def test_thresholds_that_contradict_one_another_keep_the_papers_decodings():
    x = np.random.default_rng(2).normal(size=(20, 100)) + np.linspace(4, -4, 100)
    p = np.asarray(from_exceedances(jnp.asarray(x, jnp.float32)), np.float64)
    np.testing.assert_allclose(mean_age(p), sigmoid(x).sum(-1), atol=1e-3)
    rank = (sigmoid(x) > 0.5).sum(-1)  # what both papers read
    assert (np.abs(median_age(p) - rank) <= 0.5 + 1e-3).all()


def test_far_tails_do_not_cancel():
    x = np.linspace(60, 40, 100, dtype=np.float32)[None]
    p = from_exceedances(jnp.asarray(x))
    assert (p > 0).all()
    assert float(p[0, 0]) == pytest.approx(np.exp(-60), rel=1e-3)


@pytest.mark.parametrize("number", [0.0, 0.3, 17.5, 42.0, 63.71, 100.0, -8.0, 250.0])
def test_all_decodings_of_a_number_give_about_that_number(number):
    p = np.asarray(head(Regression).probabilities(jnp.full((1, 1), number)), np.float64)
    near = np.clip(number, 0, 100)
    for name, decode in DECODINGS.items():
        assert decode(p)[0] == pytest.approx(near, abs={"mean": 1e-4, "median": 0.1}.get(name, 0.5))


def test_a_regression_starts_at_the_middle():
    assert float(head(Regression)(jnp.zeros((1, 16)))[0, 0]) == 50
