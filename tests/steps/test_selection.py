"""Weights of labels and small-loss selection in the train step."""

import jax.numpy as jnp
import numpy as np
import pytest

from agejax.losses.row_losses import cross_entropy, multitask_loss
from tests.steps.test_step import batch, linear_model, trained

pytestmark = pytest.mark.usefixtures("quick_compilation")

LOGITS = {"age": jnp.asarray(np.random.default_rng(1).normal(size=(16, 101)), jnp.float32)}


def age_of(faces, **more):
    return {
        "image": None,
        "labels": {"age": jnp.asarray(faces["labels"]["age"])},
        "known": {"age": jnp.asarray(faces["known"]["age"])},
        "mask": jnp.asarray(faces["mask"]),
        **more,
    }


def test_the_loss_is_the_mean_of_the_labels_that_are_kept():
    faces = age_of(batch())
    rows = np.asarray(faces["known"]["age"] & faces["mask"])
    n = rows.sum()
    each = np.asarray(cross_entropy(LOGITS["age"], faces["labels"]["age"]))[rows]
    counts = {"age": jnp.float32(n)}
    of = lambda batch, **more: float(multitask_loss(LOGITS, batch, {"age": 1.0}, counts, **more))
    kept = np.sort(each)[: n - int(0.3 * n)]
    assert of(faces, drop={"age": jnp.float32(0.3)}) == pytest.approx(kept.mean(), rel=1e-5)
    assert of(faces, drop={"age": jnp.float32(0)}) == pytest.approx(each.mean(), rel=1e-5)
    w = np.random.default_rng(2).random(16).astype(np.float32)
    weighed = of({**faces, "weights": {"age": jnp.asarray(w)}})
    assert weighed == pytest.approx((each * w[rows]).sum() / n, rel=1e-5)


def test_ranges_compete_with_ranges_only():
    """All ranges have small losses; still, half of them are left out, and half of the others."""
    first = jnp.zeros(16, jnp.int32)
    last = jnp.where(jnp.arange(16) < 8, 50 + jnp.arange(16), 0)
    faces = age_of(batch(), known={"age": jnp.ones(16, bool)}, mask=jnp.ones(16, bool))
    faces |= {"labels": {"age": first}, "upto": {"age": last}}
    each = jnp.where(last > first, last.astype(jnp.float32) * 1e-3, 1 + jnp.arange(16.0))
    loss = lambda logits, first, last: each
    given = {"losses": {"age": loss}, "drop": {"age": jnp.float32(0.5)}}
    got = float(multitask_loss(LOGITS, faces, {"age": 1.0}, {"age": jnp.float32(16)}, **given))
    ranged, exact = np.arange(50, 54) * 1e-3, np.arange(9, 13)
    assert got == pytest.approx((2 * ranged.sum() + 2 * exact.sum()) / 16, rel=1e-5)


def test_training_leaves_out_more_and_more():
    plain = trained(linear_model(), steps=3)[1]
    selected = trained(linear_model(), steps=3, drop={"age": (0.5, 2)})[1]
    assert selected[0] == pytest.approx(plain[0], rel=1e-6)  # nothing at step 0
    assert selected[1] < plain[1]
    assert selected[2] < plain[2]
