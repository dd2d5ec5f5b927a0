"""A step whose batch is divided among devices does what it does on one."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from agejax.distributed.mesh import make_mesh, put_batch, replicated
from agejax.models.structure import split_model
from agejax.optim import make_optimizer
from agejax.steps.augment import augment, mixup
from agejax.steps.step import init_state, make_train_step
from tests.steps.test_step import (
    TASKS,
    assert_close,
    batch,
    linear_model,
    several_a_call,
    small_model,
    trained,
)

pytestmark = pytest.mark.usefixtures("quick_compilation")


def test_four_devices_do_what_one_does():
    options = {"augment": functools.partial(augment, shift=0.1), "ema": 0.9}
    one, losses = trained(small_model(dropout=0.3), **options)
    mesh = make_mesh()
    assert mesh.size == 4
    four, sharded_losses = trained(small_model(dropout=0.3), mesh=mesh, **options)
    assert losses == pytest.approx(sharded_losses, rel=1e-5)
    # Batch norm divides by the deviation over all four devices' rows; Adam magnifies rounding.
    assert_close(one["stats"], four["stats"], rtol=1e-3, atol=1e-3)


def test_accumulation_runs_sharded_and_with_batch_norm():
    _, losses = trained(small_model(dropout=0.2), mesh=make_mesh(), accumulate=2)
    assert np.isfinite(losses).all()


def test_mixing_is_the_same():
    options = {"augment": augment, "mix": functools.partial(mixup, alpha=0.4), "steps": 5}
    _, losses = trained(linear_model(), **options)
    _, sharded = trained(linear_model(), mesh=make_mesh(), **options)
    assert losses == pytest.approx(sharded, rel=1e-4)


def test_pixels_that_stay_on_the_devices_give_what_pixels_of_the_batch_give():
    mesh = make_mesh()
    graph, weights = split_model(linear_model())
    optimizer = make_optimizer(steps=3, learning_rate=1e-2)
    step = make_train_step(graph, optimizer, task_weights=TASKS, seed=1)
    everything, rows = batch(40)["image"], np.arange(39, 7, -2, dtype=np.int32)
    results = []
    for image, pixels in ((everything[rows], None), (rows, everything)):
        state = init_state(graph, weights, optimizer, ema=False)
        state = jax.device_put(jax.tree.map(jnp.copy, state), replicated(mesh))
        pixels = None if pixels is None else jax.device_put(pixels, replicated(mesh))
        results.append(step(state, put_batch(mesh, batch() | {"image": image}), pixels))
    assert_close(*results)


def test_several_steps_a_call_are_those_steps():
    several_a_call(make_mesh())


def test_the_largest_losses_are_those_of_the_whole_batch():
    options = {"drop": {"age": (0.5, 0), "gender": (0.2, 2)}}
    _, losses = trained(linear_model(), **options)
    _, sharded = trained(linear_model(), mesh=make_mesh(), **options)
    assert losses == pytest.approx(sharded, rel=1e-5)
