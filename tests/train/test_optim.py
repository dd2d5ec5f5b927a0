import jax
import jax.numpy as jnp
import numpy as np

from agejax.train.optim import constant, make_optimizer


def walk(steps, **options):
    """How far a trunk's and a head's weight have moved after each step."""
    params = {"trunk": {"layer": jnp.ones((2, 2))}, "heads": {"age": jnp.ones((2, 2))}}
    optimizer = make_optimizer(steps=10, learning_rate=0.1, schedule=constant, **options)
    state, moved = optimizer.init(params), []
    for _ in range(steps):
        with jax.numpy_dtype_promotion("standard"):
            updates, state = optimizer.update(jax.tree.map(jnp.ones_like, params), state, params)
        params = jax.tree.map(jnp.add, params, updates)
        leaves = (params["trunk"]["layer"], params["heads"]["age"])
        moved.append([1 - float(x[0, 0]) for x in leaves])
    return np.array(moved).T


def test_the_trunk_may_learn_slower():
    trunk, heads = walk(3, trunk_rate=0.1)
    np.testing.assert_allclose(heads, [0.1, 0.2, 0.3], rtol=1e-4)
    np.testing.assert_allclose(trunk, 0.1 * heads, rtol=1e-4)


def test_a_rate_of_zero_freezes_it_for_good():
    trunk, heads = walk(3, trunk_rate=0.0, weight_decay=0.1)
    assert (trunk == 0).all()
    assert (heads > 0.09).all()


def test_frozen_steps_end():
    trunk, heads = walk(4, frozen_steps=2)
    np.testing.assert_allclose(trunk, [0, 0, 0.1, 0.2], atol=1e-5)
    np.testing.assert_allclose(heads, [0.1, 0.2, 0.3, 0.4], rtol=1e-4)
