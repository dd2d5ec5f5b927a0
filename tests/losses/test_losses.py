import jax
import jax.numpy as jnp
import numpy as np
import pytest

from agejax.losses.row_losses import counted, multitask_loss


def batch(n=6, unknown=(), padding=()):
    rng = np.random.default_rng(0)
    known = np.ones(n, bool)
    known[list(unknown)] = False
    mask = np.ones(n, bool)
    mask[list(padding)] = False
    labels = {"age": rng.integers(0, 101, n), "gender": rng.integers(0, 2, n)}
    return {
        "image": np.zeros((n, 2, 2, 3), np.uint8),
        "labels": {task: x.astype(np.int32) for task, x in labels.items()},
        "known": {"age": known, "gender": np.ones(n, bool)},
        "mask": mask,
    }


def logits(n=6):
    rng = np.random.default_rng(1)
    sizes = {"age": 101, "gender": 2}
    return {task: jnp.asarray(rng.normal(size=(n, k)), jnp.float32) for task, k in sizes.items()}


def loss(logits, batch, **weights):
    counts = {task: rows.sum() for task, rows in counted(batch).items()}
    return multitask_loss(logits, batch, weights or {"age": 1.0, "gender": 1.0}, counts)


def cross_entropy(logits, labels, rows):
    p = jax.nn.softmax(logits)
    return np.mean([-np.log(p[i, labels[i]]) for i in rows])


def test_it_is_the_average_of_the_two_cross_entropies():
    b, x = batch(), logits()
    each = [cross_entropy(x[task], b["labels"][task], range(6)) for task in ("age", "gender")]
    assert loss(x, b) == pytest.approx(np.mean(each), rel=1e-5)


def test_weights_are_relative():
    b, x = batch(), logits()
    age, gender = (cross_entropy(x[t], b["labels"][t], range(6)) for t in ("age", "gender"))
    assert loss(x, b, age=3.0, gender=1.0) == pytest.approx(0.75 * age + 0.25 * gender, rel=1e-5)
    assert loss(x, b, age=6.0, gender=2.0) == pytest.approx(0.75 * age + 0.25 * gender, rel=1e-5)


def test_padding_and_unknown_labels_never_count():
    b, x = batch(unknown=(0,), padding=(5,)), logits()
    age = cross_entropy(x["age"], b["labels"]["age"], [1, 2, 3, 4])
    gender = cross_entropy(x["gender"], b["labels"]["gender"], [0, 1, 2, 3, 4])
    assert loss(x, b) == pytest.approx((age + gender) / 2, rel=1e-5)


def test_a_task_without_a_known_label_costs_nothing():
    b = batch(unknown=range(6))
    gender = cross_entropy(logits()["gender"], b["labels"]["gender"], range(6))
    assert loss(logits(), b) == pytest.approx(gender / 2, rel=1e-5)
