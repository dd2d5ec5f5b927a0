"""Idiomatic NNX modules as trunks: they need not know of agejax."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from agejax import config as configs
from agejax.checkpoints.checkpoint import Checkpoints
from agejax.errors import UserError
from agejax.models.cnn import SmallCNN
from agejax.optim import constant, make_optimizer
from agejax.steps.model_factory import make_model
from agejax.steps.step import init_state, make_predict_step, make_train_step
from agejax.training.loop import train
from tests.nnx_trunks import AlwaysOfTheBatch, Maps, Plain, WithRngs

pytestmark = pytest.mark.usefixtures("quick_compilation")


def config_of(trunk, seed=0):
    config = configs.default()
    config.data.size = 8
    config.seed = seed
    config.model.trunk = trunk
    if trunk is SmallCNN:
        with config.unlocked():
            config.model.args = {"widths": (8,), "depths": (1,), "dropout": 0.2}
    return config


def batch(n=6, seed=0):
    rng = np.random.default_rng(seed)
    classes = {"age": 101, "gender": 2}
    return {
        "image": rng.integers(0, 256, (n, 8, 8, 3), np.uint8),
        "labels": {task: rng.integers(0, c, n).astype(np.int32) for task, c in classes.items()},
        "known": {task: np.ones(n, bool) for task in classes},
        "mask": np.ones(n, bool),
    }


@functools.cache
def stepped(trunk, seed=0, steps=3, accumulate=1, learning_rate=0.0):
    """The state after some steps, of no learning rate unless one is given."""
    structure, weights = make_model(config_of(trunk))
    optimizer = make_optimizer(steps=steps, learning_rate=learning_rate, schedule=constant)
    step = make_train_step(
        structure, optimizer, task_weights={"age": 1, "gender": 1}, seed=seed, accumulate=accumulate
    )
    state = init_state(structure, weights, optimizer, ema=False)
    losses = []
    for _ in range(steps):
        state, loss = step(state, batch())
        losses.append(float(loss))
    return structure, state, losses


@pytest.mark.parametrize("trunk", [Plain, WithRngs, AlwaysOfTheBatch, SmallCNN])
def test_a_face_is_predicted_alike_in_any_batch(trunk):
    structure, state, _ = stepped(trunk)
    predict = make_predict_step(structure)
    weights = {"params": state["params"], "stats": state["stats"]}
    faces, others = batch()["image"], batch(seed=1)["image"]
    others[0] = faces[0]
    of_faces, of_others = (predict(weights, x)["age"][0] for x in (faces, others))
    np.testing.assert_allclose(of_faces, of_others, rtol=1e-5)


@pytest.mark.parametrize("trunk", [Plain, WithRngs])
def test_random_state_is_a_function_of_seed_and_step(trunk):
    _, _, losses = stepped(trunk)
    assert len(set(losses)) == 3  # the same weights and batch, another dropout
    assert losses == stepped.__wrapped__(trunk)[2]
    assert losses != stepped(trunk, seed=1)[2]


def test_running_statistics_follow_the_batches_and_other_variables_are_carried():
    _, state, _ = stepped(Plain)
    assert int(state["stats"]["trunk"]["calls"]) == 3
    assert (state["stats"]["trunk"]["norm"]["mean"] != 0).all()
    assert not any("rngs" in str(path) for path, _ in jax.tree.leaves_with_path(state["stats"]))
    _, in_parts, _ = stepped(Plain, accumulate=2)
    assert int(in_parts["stats"]["trunk"]["calls"]) == 6


def test_predictions_use_the_running_statistics_and_no_dropout():
    structure, state, _ = stepped(Plain, learning_rate=1e-2)
    stats = jax.tree.map(lambda x: x + 1 if x.dtype == jnp.float32 else x, state["stats"])
    predict = make_predict_step(structure)
    image = batch()["image"]
    first, again, other = (
        predict({"params": state["params"], "stats": s}, image)["age"]
        for s in (state["stats"], state["stats"], stats)
    )
    np.testing.assert_array_equal(first, again)
    assert abs(first - other).max() > 1e-4


def test_a_run_of_such_a_trunk_trains_resumes_and_keeps_its_state(tiny, tmp_path, monkeypatch):
    monkeypatch.setenv("AGEJAX_TRUST", "tests.nnx_trunks")
    tiny.model.trunk = Plain
    with tiny.unlocked():
        tiny.model.args = {"width": 4}
    tiny.train.update(eval_every=2)
    tiny.optim.schedule = constant
    ends = []
    for name, stops in (("whole", (4,)), ("resumed", (2, 4))):
        for tiny.train.steps in stops:
            train(tiny, tmp_path / name)
        _, like = make_model(tiny)
        ends.append(Checkpoints(tmp_path / name, read_only=True).weights(4, like))
    assert ends[0]["stats"]["trunk"]["calls"] == 4
    jax.tree.map(np.testing.assert_array_equal, *ends)


def test_what_is_no_trunk_is_reported_in_a_line():
    with pytest.raises(UserError, match=r"Maps gives shape \[2, 8, 8, 4\] for 2 faces"):
        make_model(config_of(Maps))
    config = config_of(Plain)
    config.model.dtype = "bfloat16"
    with pytest.raises(UserError, match="takes no dtype"):
        make_model(config)
