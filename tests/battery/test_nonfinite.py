"""Batches that are not finite, at random steps of a training: each is caught in that step."""

import random

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from agejax.losses.row_losses import cross_entropy
from agejax.models.structure import split_model
from agejax.optim import make_optimizer
from agejax.steps.step import init_state, make_train_step
from agejax.training.nonfinite_log import Refusals
from tests.battery.counts import counts, tell
from tests.saved import same
from tests.steps.test_step import TASKS, batch, small_model
from tests.training.test_nonfinite_log import AGE, KINDS, poison

pytestmark = pytest.mark.usefixtures("quick_compilation")


class Lines:
    """A log that is easily looked at."""

    def __init__(self):
        self.lines = []

    def write(self, **numbers):
        self.lines.append(numbers)

    def sync(self):
        pass


def poisons(logits, label):
    """The cross-entropy, [B], with a kind of poison for each of the ages from AGE on."""
    loss = cross_entropy(logits, label)
    for age, kind in enumerate(KINDS, AGE):
        loss = jnp.where(label == age, poison(logits, label, kind, age), loss)
    return loss


@pytest.mark.parametrize("n", counts(100, smoke=10))
def test_a_batch_that_is_not_finite_is_caught_in_its_step(n):
    rng, caught, steps = random.Random(0), 0, 0
    graph, weights = split_model(small_model(dropout=0.2))
    optimizer = make_optimizer(steps=10_000, learning_rate=1e-3)
    for skip in (0, 1000):  # stop, and go on
        losses = {"age": poisons, "gender": cross_entropy}
        options = {"task_weights": TASKS, "losses": losses, "seed": 1, "ema": 0.9}
        step = make_train_step(graph, optimizer, skip_nonfinite=skip, **options)
        for case in range(n // 2):
            age = AGE + case % len(KINDS)
            state = init_state(graph, weights, optimizer, ema=True)
            state = jax.tree.map(lambda x: x.copy(), state)  # it will be donated
            log = Lines()
            refusals = Refusals(log, lambda step: [f"face of {step}"], skip=skip)
            at = rng.randrange(6)
            for i in range(at + 1):
                before = jax.tree.map(np.array, state)
                state, loss = step(state, faces(rng, age if i == at else None))
                halted = refusals.halted(i + 1, loss, wait=True)
                steps += 1
                assert bool(np.isfinite(loss)) == (i < at), (age, i, at)
            after = jax.tree.map(np.array, state)
            for part in ("params", "stats", "opt", "ema"):
                assert same(before[part], after[part]), (age, part)
            assert all(np.isfinite(x).all() for x in jax.tree.leaves(after["params"]))
            assert halted == (skip == 0)
            assert int(after["step"]) == (at if skip == 0 else at + 1)
            assert log.lines == [{"step": at + 1, "faces": [f"face of {at}"]}]
            caught += 1
    tell("non-finite batch", f"{caught} of {caught} caught in that step ({steps} steps in all)")


def faces(rng, poisoned):
    """A batch without a face of those ages, or with one of that age."""
    b = batch(seed=rng.randrange(10**6))
    age = b["labels"]["age"]
    age[(age >= AGE) & (age < AGE + len(KINDS))] = AGE - 1
    if poisoned is not None:
        row = rng.randrange(len(age) - 1)  # the last is padding
        age[row] = poisoned
        b["known"]["age"][row] = True
    return b
