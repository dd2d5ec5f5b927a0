"""State that is split over the devices: the same training, in less memory of each."""

from functools import partial

import jax
import numpy as np
import pytest

from agejax.distributed.mesh import layout_of, make_mesh, put, put_batch
from agejax.distributed.sharding import Layout
from agejax.steps.model_factory import make_model
from agejax.steps.step import init_state
from agejax.steps.step_factory import train_step_of
from agejax.types import Batch

pytestmark = pytest.mark.usefixtures("quick_compilation")


def test_large_arrays_are_split_along_their_longest_axis_that_divides():
    layout = Layout(make_mesh(), above=100)
    shapes = {
        "kernel": (3, 3, 8, 16),
        "odd": (3, 5, 7, 9),
        "tall": (64, 32),
        "small": (5, 5),
        "scalar": (),
    }
    tree = {name: jax.ShapeDtypeStruct(shape, np.float32) for name, shape in shapes.items()}
    specs = {name: tuple(s.spec) for name, s in layout.shardings(tree).items()}
    assert specs == {
        "kernel": (None, None, None, "data"),
        "odd": (),
        "tall": ("data",),
        "small": (),
        "scalar": (),
    }


def test_nothing_is_said_to_one_device():
    assert layout_of(jax.sharding.Mesh(np.array(jax.devices()[:1]), ("data",)), 1.0) is None


def test_a_step_is_the_same_and_leaves_the_state_split(tiny):
    tiny.train.update(batch_size=8, ema=0.9)
    graph, weights = make_model(tiny)
    mesh = make_mesh()
    after = []
    for layout in (Layout(mesh), Layout(mesh, above=200)):
        optimizer, step = train_step_of(tiny, graph, layout=layout)
        state = init_state(graph, weights, optimizer, ema=True)
        state = put(jax.tree.map(np.array, state), layout.shardings(state))
        for seed in range(2):
            state, _ = step(state, put_batch(mesh, faces(seed)), None)
        assert step._cache_size() == 1  # what comes out goes in again as it is
        after.append(jax.device_get(state))
    large = [x for x in jax.tree.leaves(state) if x.nbytes > 200 and x.shape[-1] % mesh.size == 0]
    assert large
    assert all(x.addressable_shards[0].data.nbytes * mesh.size == x.nbytes for x in large)
    jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-4, atol=1e-6), *after)


def faces(seed, n=8):
    rng = np.random.default_rng(seed)
    return Batch(
        image=rng.integers(0, 256, (n, 16, 16, 3), np.uint8),
        labels={
            "age": rng.integers(0, 101, n, np.int32),
            "gender": rng.integers(0, 2, n, np.int32),
        },
        known={"age": np.ones(n, bool), "gender": np.ones(n, bool)},
        mask=np.ones(n, bool),
    )
