import jax.numpy as jnp
import numpy as np
import pytest

from agejax.metrics.masked_sums import compute, metric_sums


def probabilities(ages, classes=101):
    return np.eye(classes)[ages]


def ones(n):
    return {"age": np.ones(n), "gender": np.ones(n)}


def test_figures_of_certain_predictions():
    p = {"age": probabilities([30, 40, 50, 60]), "gender": probabilities([0, 1, 1, 1], 2)}
    labels = {"age": np.array([30, 42, 55, 70]), "gender": np.array([0, 1, 1, 0])}
    figures = compute(metric_sums(p, labels, ones(4)))
    assert figures["gender"]["accuracy"] == 0.75
    assert figures["age"]["accuracy"] == 0.25
    assert figures["age"]["mae"] == pytest.approx(dict.fromkeys(("argmax", "mean", "median"), 4.25))
    assert figures["age"]["cs5"] == 0.75  # 0, 2 and 5 years are within 5


def test_decodings_differ_where_the_distribution_is_skewed():
    p = np.zeros((1, 101))
    p[0, [20, 21, 22, 80]] = 0.4, 0.2, 0.1, 0.3
    sums = metric_sums({"age": p}, {"age": np.array([20])}, {"age": np.ones(1)})
    mae = compute(sums)["age"]["mae"]
    assert mae["argmax"] == 0
    assert mae["mean"] == pytest.approx(0.2 * 1 + 0.1 * 2 + 0.3 * 60)
    assert mae["median"] == pytest.approx(1.0)


def test_rows_that_do_not_count_change_nothing():
    p = {"age": probabilities([30, 99])}
    labels = {"age": np.array([31, 0])}
    with_padding = compute(metric_sums(p, labels, {"age": np.array([1.0, 0.0])}))
    alone = compute(
        metric_sums({"age": p["age"][:1]}, {"age": np.array([31])}, {"age": np.ones(1)})
    )
    assert with_padding == alone


def test_sums_of_parts_add_up():
    rng = np.random.default_rng(0)
    p = rng.dirichlet(np.ones(101), 10)
    labels = rng.integers(0, 101, 10)
    part = lambda s: metric_sums({"age": p[s]}, {"age": labels[s]}, {"age": np.ones(10)[s]})["age"]
    whole, a, b = part(slice(None)), part(slice(0, 3)), part(slice(3, None))
    assert {k: a[k] + b[k] for k in whole} == pytest.approx(whole)


def test_no_known_label_gives_no_figure_and_no_crash():
    figures = compute(
        metric_sums({"age": probabilities([3])}, {"age": np.array([3])}, {"age": np.zeros(1)})
    )
    assert figures == {"age": {"n": 0}}


def test_an_impossible_label_is_a_finite_loss():
    sums = metric_sums({"age": probabilities([3])}, {"age": np.array([9])}, {"age": np.ones(1)})
    assert np.isfinite(sums["age"]["nll"])


def test_jax_arrays_give_the_same():
    rng = np.random.default_rng(0)
    p, labels = rng.dirichlet(np.ones(101), 8).astype(np.float32), rng.integers(0, 101, 8)
    ours = metric_sums({"age": p}, {"age": labels}, {"age": np.ones(8, np.float32)})
    theirs = metric_sums(
        {"age": jnp.asarray(p)}, {"age": jnp.asarray(labels, jnp.int32)}, {"age": jnp.ones(8)}
    )
    assert {k: float(v) for k, v in theirs["age"].items()} == pytest.approx(ours["age"], abs=1e-2)
