"""Losses between a teacher's distributions and a student's logits."""

import flax.nnx as nnx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from agejax.losses.distillation import distillation_loss, from_teacher
from agejax.losses.row_losses import l1, ordinal
from agejax.models.heads import Coral, OrdinalCNN, Regression, Softmax

CLASSES = 7
RNG = np.random.default_rng(0)
TARGET = jnp.asarray(RNG.dirichlet(np.ones(CLASSES), 5), jnp.float32)
CERTAIN = jnp.eye(CLASSES)[jnp.array([0, 3, 6, 2, 5])]


class Sigmoids(nnx.Module):
    """A head of nobody's kind: independent sigmoids, normalised."""

    def __init__(self):
        self.classes = CLASSES

    def probabilities(self, logits):
        p = jax.nn.sigmoid(logits)
        return p / p.sum(-1, keepdims=True)


def head(kind):
    return kind() if kind is Sigmoids else kind(2, CLASSES, rngs=nnx.Rngs(0))


def exceedances(p):
    above = 1 - jnp.cumsum(p, -1)[:, :-1]
    return jnp.log(above) - jnp.log1p(-above)


AGREEING = {
    Softmax: jnp.log(TARGET),
    OrdinalCNN: exceedances(TARGET),
    Coral: exceedances(TARGET),
    Sigmoids: jnp.log(TARGET) - jnp.log1p(-TARGET),
}


@pytest.mark.parametrize("kind", AGREEING)
def test_a_student_that_agrees_has_no_loss_and_no_gradient(kind):
    loss = lambda logits: from_teacher(head(kind), logits, TARGET).sum()
    value, gradient = jax.value_and_grad(loss)(AGREEING[kind])
    assert float(value) == pytest.approx(0, abs=1e-5)
    np.testing.assert_allclose(gradient, 0, atol=1e-5)
    assert loss(AGREEING[kind] + RNG.normal(size=AGREEING[kind].shape)) > 0.1


@pytest.mark.parametrize(("kind", "of_label"), [(OrdinalCNN, ordinal), (Regression, l1)])
def test_a_certain_teacher_counts_as_a_label(kind, of_label):
    wide = 1 if kind is Regression else CLASSES - 1
    logits = jnp.asarray(RNG.normal(size=(5, wide)), jnp.float32)
    np.testing.assert_allclose(
        from_teacher(head(kind), logits, CERTAIN), of_label(logits, CERTAIN.argmax(-1)), rtol=1e-5
    )


def test_a_number_goes_to_the_median_of_the_teacher():
    p = jnp.array([[0.1, 0.1, 0.1, 0.5, 0.2, 0, 0]])
    loss = lambda x: from_teacher(head(Regression), jnp.full((1, 1), x), p)[0]
    assert min(jnp.arange(0, 6, 0.5), key=loss) == 3


def test_a_temperature_softens_both():
    logits = jnp.asarray(RNG.normal(size=(5, CLASSES)), jnp.float32)
    soft = lambda p: jax.nn.softmax(jnp.log(p) / 3)
    expected = 9 * from_teacher(head(Softmax), logits / 3, soft(TARGET))
    ours = from_teacher(head(Softmax), logits, TARGET, temperature=3.0)
    np.testing.assert_allclose(ours, expected, rtol=1e-4, atol=1e-6)
    assert np.isfinite(from_teacher(head(Softmax), logits, CERTAIN, temperature=3.0)).all()
    assert np.isfinite(from_teacher(head(Softmax), 100 * logits, CERTAIN)).all()


def test_tasks_are_weighted_and_padding_does_not_count():
    logits = {"a": jnp.zeros((2, CLASSES)), "b": jnp.zeros((2, CLASSES))}
    heads = dict.fromkeys(logits, head(Softmax))
    rows, weights = jnp.array([1.0, 0.0]), {"a": 3.0, "b": 1.0}
    loss = distillation_loss(heads, logits, {"a": TARGET[:2]}, rows, rows.sum(), weights)
    alone = float(from_teacher(heads["a"], logits["a"][:1], TARGET[:1])[0])
    assert float(loss) == pytest.approx(0.75 * alone, rel=1e-5)
