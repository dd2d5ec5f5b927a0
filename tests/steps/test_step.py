import functools

import flax.nnx as nnx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from agejax.distributed.mesh import put_batch, replicated
from agejax.models.cnn import SmallCNN
from agejax.models.layers import products
from agejax.models.multitask import MultiTask
from agejax.models.structure import split_model
from agejax.optim import constant, cosine, make_optimizer
from agejax.steps.augment import augment, mixup
from agejax.steps.step import init_state, make_train_step
from agejax.types import weights_of

pytestmark = pytest.mark.usefixtures("quick_compilation")

TASKS = {"age": 1.0, "gender": 1.0}
SCHEDULE = 30


class Linear(nnx.Module):
    """A trunk without batch statistics or dropout: parts of a batch are the batch."""

    def __init__(self, *, rngs):
        self.layer = nnx.Linear(8 * 8 * 3, 16, rngs=rngs)
        self.features = 16

    def __call__(self, x, key):
        return jnp.tanh(self.layer(x.reshape(len(x), -1)))


def small_model(dropout=0.0, widths=(8,)):
    rngs, depths, dtype = nnx.Rngs(0), (1,) * len(widths), jnp.dtype("float32")
    trunk = SmallCNN(widths=widths, depths=depths, dropout=dropout, size=8, dtype=dtype, rngs=rngs)
    return MultiTask(trunk, {"age": 101, "gender": 2}, rngs=rngs)


def linear_model():
    rngs = nnx.Rngs(0)
    return MultiTask(Linear(rngs=rngs), {"age": 101, "gender": 2}, rngs=rngs)


def batch(n=16, seed=0):
    rng = np.random.default_rng(seed)
    return {
        "image": rng.integers(0, 256, (n, 8, 8, 3), np.uint8),
        "labels": {
            "age": rng.integers(0, 101, n).astype(np.int32),
            "gender": rng.integers(0, 2, n).astype(np.int32),
        },
        "known": {"age": rng.random(n) < 0.8, "gender": np.ones(n, bool)},
        "mask": np.arange(n) < n - 1,
    }


def trained(model, steps=3, mesh=None, optim=None, **options):
    graph, weights = split_model(model)
    # One schedule for all, or each number of steps would be a program of its own.
    optimizer = make_optimizer(steps=SCHEDULE, learning_rate=1e-2, **(optim or {}))
    step = make_train_step(graph, optimizer, task_weights=TASKS, seed=1, **options)
    state = init_state(graph, weights, optimizer, ema=options.get("ema", 0) > 0)
    put = functools.partial(put_batch, mesh) if mesh else lambda b: b
    state = jax.device_put(state, replicated(mesh)) if mesh else state
    losses = []
    for i in range(steps):
        state, loss = step(state, put(batch(seed=i % 2)))
        losses.append(float(loss))
    return state, losses


def assert_close(a, b, rtol=1e-4, atol=5e-5):  # of weights after steps of 1e-2
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=rtol, atol=atol), a, b)


def test_the_loss_falls():
    _, losses = trained(small_model(), steps=30)
    assert losses[-1] < 0.7 * losses[0]


@pytest.mark.parametrize("parts", [2, 4])
def test_a_batch_in_parts_gives_the_gradient_of_the_whole(parts):
    whole, losses = trained(linear_model())
    in_parts, part_losses = trained(linear_model(), accumulate=parts)
    assert losses == pytest.approx(part_losses, rel=1e-5)
    assert_close(whole["params"], in_parts["params"])
    assert_close(whole["window"], in_parts["window"])


def all_of(kept):
    """Mixes nothing, and says that `kept` of each face was."""
    return lambda key, image: (image, jnp.full(len(image), kept, jnp.float32))


def test_the_loss_of_mixed_faces_asks_for_both_labels():
    faces = batch()
    before = {key: jax.tree.map(lambda x: np.roll(x, 1, 0), faces[key]) for key in faces}
    plain = {}
    for name, other in (("own", faces), ("before", before)):
        graph, weights = split_model(linear_model())
        optimizer = make_optimizer(steps=SCHEDULE, learning_rate=1e-2)
        step = make_train_step(graph, optimizer, task_weights=TASKS, seed=1)
        state = init_state(graph, weights, optimizer, ema=False)
        plain[name] = float(step(state, other | {"image": faces["image"]})[1])
    assert plain["own"] != plain["before"]
    for kept in (1.0, 0.7):
        _, (loss,) = trained(linear_model(), steps=1, mix=all_of(kept))
        assert loss == pytest.approx(kept * plain["own"] + (1 - kept) * plain["before"], rel=1e-5)


def test_mixing_trains():
    options = {"augment": augment, "mix": functools.partial(mixup, alpha=0.4), "steps": 5}
    _, losses = trained(small_model(), **options)
    assert min(losses) < losses[0]


def test_the_window_counts_known_labels_only():
    state, losses = trained(linear_model(), steps=2)
    known = [batch(seed=i)["known"]["age"][:-1].sum() for i in range(2)]
    assert float(state["window"]["tasks"]["age"]["n"]) == sum(known)
    assert float(state["window"]["tasks"]["gender"]["n"]) == 30
    assert float(state["window"]["loss"]) == pytest.approx(sum(losses), rel=1e-6)


def test_averaged_weights_follow_and_lag():
    state, _ = trained(small_model(), steps=20, ema=0.9)
    shipped = weights_of(state)
    kernel = lambda weights: np.asarray(weights["params"]["heads"]["age"]["kernel"])
    assert 0 < np.abs(kernel(shipped) - kernel(state)).max() < 0.5
    assert shipped["stats"].keys() == state["stats"].keys()
    without, _ = trained(small_model(), steps=20)
    assert without["ema"] == {}
    np.testing.assert_array_equal(kernel(weights_of(without)), kernel(without))


def test_randomness_is_a_function_of_seed_and_step():
    a, _ = trained(small_model(dropout=0.5), augment=functools.partial(augment, shift=0.2))
    b, _ = trained(small_model(dropout=0.5), augment=functools.partial(augment, shift=0.2))
    jax.tree.map(np.testing.assert_array_equal, a, b)


def test_schedules_and_limits():
    assert constant(0.1, 100)(50) == pytest.approx(0.1)
    assert cosine(0.1, 100)(0) == pytest.approx(0.1)
    assert cosine(0.1, 100)(50) == pytest.approx(0.05)
    assert cosine(0.1, 100)(100) == pytest.approx(0, abs=1e-9)
    first, _ = trained(linear_model(), steps=1, optim={"warmup_steps": 10})
    _, weights = split_model(linear_model())
    jax.tree.map(np.testing.assert_array_equal, first["params"], weights["params"])


def test_weight_decay_spares_biases():
    graph, weights = split_model(linear_model())
    optimizer = make_optimizer(steps=10, learning_rate=0.1, weight_decay=0.5, schedule=constant)
    with jax.numpy_dtype_promotion("standard"):
        gradient = jax.tree.map(jnp.zeros_like, weights["params"])
        bias = jax.tree.map(jnp.ones_like, weights["params"])
        updates, _ = optimizer.update(gradient, optimizer.init(bias), bias)
    head = updates["heads"]["age"]
    np.testing.assert_allclose(head["kernel"], -0.05, rtol=1e-5)
    np.testing.assert_array_equal(head["bias"], 0)


def test_clipping_bounds_the_step_of_plain_gradients():
    optimizer = make_optimizer(steps=10, learning_rate=0.1, clip_norm=1.0, schedule=constant)
    params = {"w": jnp.zeros((2, 2))}
    with jax.numpy_dtype_promotion("standard"):
        state = optimizer.init(params)
        _, (_, adam) = optimizer.update({"w": jnp.full((2, 2), 1e6)}, state, params)
    (moments, *_) = adam
    assert float(jnp.linalg.norm(moments.mu["w"])) == pytest.approx(0.1, rel=1e-4)


def test_several_steps_a_call_are_those_steps():
    several_a_call(mesh=None)


def several_a_call(mesh):
    """Checks that steps in calls of three are those of calls of one."""
    options = {"augment": functools.partial(augment, shift=0.1), "ema": 0.9}
    graph, weights = split_model(small_model(dropout=0.3))
    optimizer = make_optimizer(steps=SCHEDULE, learning_rate=1e-2)
    one, losses = trained(small_model(dropout=0.3), steps=6, mesh=mesh, **options)
    step = make_train_step(
        graph, optimizer, task_weights=TASKS, seed=1, steps_per_call=3, **options
    )
    state = init_state(graph, weights, optimizer, ema=True)
    state = jax.device_put(state, replicated(mesh)) if mesh else state
    stacked = []
    for call in range(2):
        stack = jax.tree.map(
            lambda *x: np.stack(x), *(batch(seed=(call * 3 + i) % 2) for i in range(3))
        )
        state, loss = step(state, put_batch(mesh, stack, stacked=True) if mesh else stack)
        stacked += loss.tolist()
    np.testing.assert_allclose(stacked, losses, rtol=1e-4)
    assert_close(one, state, rtol=1e-3, atol=1e-4)


def test_rematerialisation_changes_no_weight():
    plain, _ = trained(small_model(dropout=0.3))
    again, _ = trained(small_model(dropout=0.3), remat=True)
    assert_close(plain, again)


def test_rematerialisation_keeps_less_for_the_backward_pass():
    graph, weights = split_model(small_model(widths=(8, 16)))

    def loss(params):
        model = graph.merge(params, weights["stats"])
        return sum(x.sum() for x in model(batch()["image"], jax.random.key(0)).values())

    def kept(function):
        backward = jax.vjp(function, weights["params"])[1]
        return sum(x.nbytes for x in jax.tree.leaves(backward))

    assert kept(jax.checkpoint(loss, policy=products)) < 0.5 * kept(loss)
