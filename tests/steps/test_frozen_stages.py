"""Stages of the trunk that are never trained: constants of the step, without a backward pass."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from agejax.errors import UserError
from agejax.optim import constant, frozen_by_depth, make_optimizer
from agejax.steps.model_factory import abstract_model, make_model
from agejax.steps.step import init_state
from agejax.steps.step_factory import train_steps_of
from tests.steps.test_step import batch
from tests.tiny import get_config

pytestmark = pytest.mark.usefixtures("quick_compilation")


@pytest.fixture
def tiny():
    """Two stages of a small trunk."""
    config = get_config()
    config.data.size = 8
    config.model.args.update(widths=(8, 8), depths=(1, 1))
    config.optim.update(weight_decay=0.1, clip_norm=1.0)
    return config


def backward_convolutions(config):
    """The convolutions of a step's program, of the forward and the backward pass."""
    graph, weights = abstract_model(config)
    optimizer, step_at = train_steps_of(config, graph)
    state = jax.eval_shape(lambda: init_state(graph, zeros(weights), optimizer, ema=True))
    program = str(step_at(1).trace(state, batch(), None).jaxpr)
    return program.count("conv_general_dilated[") + program.count("ffi_call[")


def zeros(tree):
    return jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), tree)


def test_frozen_stages_stay_bit_for_bit_and_the_others_learn(tiny):
    tiny.optim.frozen_stages = 1
    graph, weights = make_model(tiny)
    before = jax.tree.map(np.asarray, weights["params"])
    optimizer, step_at = train_steps_of(tiny, graph)
    state = init_state(graph, weights, optimizer, ema=True)
    state, _ = step_at(1)(state, batch(), None)
    same = jax.tree.map(lambda a, b: bool((a == np.asarray(b)).all()), before, state["params"])
    first, last = same["trunk"].pop("stages").values()
    assert all(jax.tree.leaves(first))
    assert not any(jax.tree.leaves((last, same["heads"])))


def test_no_gradient_is_computed_of_what_is_frozen(tiny):
    whole = backward_convolutions(tiny)
    tiny.optim.frozen_stages = 1
    assert backward_convolutions(tiny) < whole


def test_the_optimiser_keeps_nothing_of_frozen_stages_and_moves_none():
    trunk = {"stem": jnp.ones((2, 2)), "last": jnp.ones((2, 2))}
    params = {"trunk": trunk, "heads": {"age": jnp.ones((2, 2))}}
    given = {"frozen_stages": 1, "by_depth": [("stem",), ("last",)], "weight_decay": 0.1}
    optimizer = make_optimizer(steps=9, learning_rate=0.1, schedule=constant, **given)
    state = optimizer.init(params)
    assert sum(x.ndim == 2 for x in jax.tree.leaves(state)) == 2 * 2
    with jax.numpy_dtype_promotion("standard"):
        updates, _ = optimizer.update(params, state, params)
    assert not np.asarray(updates["trunk"]["stem"]).any()
    assert np.asarray(updates["trunk"]["last"]).all()
    assert np.asarray(updates["heads"]["age"]).all()


def test_the_whole_trunk_may_be_frozen_but_no_more(tiny):
    graph, weights = abstract_model(tiny)
    frozen = frozen_by_depth(weights["params"], 2, graph.merge(**weights).trunk.by_depth())
    assert all(jax.tree.leaves(frozen["trunk"]))
    assert not any(jax.tree.leaves(frozen["heads"]))
    tiny.optim.frozen_stages = 3
    with pytest.raises(UserError, match="frozen_stages is 3, but SmallCNN has 2 stages"):
        train_steps_of(tiny, graph)


def test_frozen_stages_need_a_trunk_that_tells_its_depth(tiny):
    from tests.pretrained.test_start_from_published import Dense

    with tiny.unlocked():
        tiny.model.args = {}
    tiny.model.trunk = Dense
    tiny.optim.frozen_stages = 1
    with pytest.raises(UserError, match=r"frozen_stages needs .* Dense, which has no by_depth\(\)"):
        train_steps_of(tiny, abstract_model(tiny)[0])
