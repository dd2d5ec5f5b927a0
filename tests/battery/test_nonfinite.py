"""Batches that are not finite, at random steps of a training: each is caught in that step."""

import functools
import random

import jax
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


class Lines:
    """A log that is easily looked at."""

    def __init__(self):
        self.lines = []

    def write(self, **numbers):
        self.lines.append(numbers)

    def sync(self):
        pass


@pytest.mark.parametrize("n", counts(100, smoke=5))
def test_a_batch_that_is_not_finite_is_caught_in_its_step(n):
    rng, caught, steps = random.Random(0), 0, 0
    graph, weights = split_model(small_model(dropout=0.2))
    optimizer = make_optimizer(steps=10_000, learning_rate=1e-3)
    for kind in KINDS:
        for skip in (0, 1000):  # stop, and go on
            step = make_train_step(
                graph,
                optimizer,
                task_weights=TASKS,
                losses={
                    "age": functools.partial(poison, kind=kind, age=AGE),
                    "gender": cross_entropy,
                },
                seed=1,
                ema=0.9,
                skip_nonfinite=skip,
            )
            for _ in range(-(-n // (2 * len(KINDS)))):
                state = init_state(graph, weights, optimizer, ema=True)
                state = jax.tree.map(lambda x: x.copy(), state)  # it will be donated
                log = Lines()
                refusals = Refusals(log, lambda step: [f"face of {step}"], skip=skip)
                at = rng.randrange(6)
                for i in range(at + 1):
                    before = jax.tree.map(np.array, state)
                    state, loss = step(state, faces(rng, poisoned=i == at))
                    halted = refusals.halted(i + 1, loss, wait=True)
                    steps += 1
                    assert bool(np.isfinite(loss)) == (i < at), (kind, i, at)
                after = jax.tree.map(np.array, state)
                for part in ("params", "stats", "opt", "ema"):
                    assert same(before[part], after[part]), (kind, part)
                assert all(np.isfinite(x).all() for x in jax.tree.leaves(after["params"]))
                assert halted == (skip == 0)
                assert int(after["step"]) == (at if skip == 0 else at + 1)
                assert log.lines == [{"step": at + 1, "faces": [f"face of {at}"]}]
                caught += 1
    tell("non-finite batch", f"{caught} of {caught} caught in that step ({steps} steps in all)")


def faces(rng, poisoned):
    """A batch without a face of that age, or with one."""
    b = batch(seed=rng.randrange(10**6))
    age = b["labels"]["age"]
    age[age == AGE] = AGE + 1
    if poisoned:
        row = rng.randrange(len(age) - 1)  # the last is padding
        age[row] = AGE
        b["known"]["age"][row] = True
    return b
