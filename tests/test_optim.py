import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from agejax.models.cnn import SmallCNN, TutorialCNN
from agejax.models.convnext import ConvNeXtT
from agejax.models.efficientnet_lite import EfficientNetLite0
from agejax.models.resnet import ResNet18, ResNet50
from agejax.models.vgg import VGG16
from agejax.models.vit import ViTS16
from agejax.optim import constant, make_optimizer

pytestmark = pytest.mark.usefixtures("quick_compilation")


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


def test_each_stage_learns_slower_than_the_one_after_it():
    trunk = {"stem": jnp.ones(2), "blocks": {"0": jnp.ones(2), "1": jnp.ones(2)}}
    params = {"trunk": trunk, "heads": {"age": jnp.ones(2)}}
    optimizer = make_optimizer(
        steps=10,
        learning_rate=0.1,
        schedule=constant,
        trunk_rate=0.5,
        layer_decay=0.8,
        by_depth=[("stem",), ("blocks.0", "blocks.1")],
    )
    with jax.numpy_dtype_promotion("standard"):
        updates, _ = optimizer.update(params, optimizer.init(params), params)
    moved = jax.tree.map(lambda x: -10 * float(x[0]), updates)
    assert moved["heads"]["age"] == pytest.approx(1, rel=1e-4)
    assert moved["trunk"]["stem"] == pytest.approx(0.5 * 0.8**2, rel=1e-4)
    assert moved["trunk"]["blocks"]["0"] == pytest.approx(0.5 * 0.8, rel=1e-4)
    assert moved["trunk"]["blocks"]["1"] == pytest.approx(0.5 * 0.8, rel=1e-4)


@pytest.mark.parametrize(
    "trunk",
    [
        *(SmallCNN, TutorialCNN, EfficientNetLite0, ResNet18, ResNet50),
        *(VGG16, ViTS16, ConvNeXtT),
    ],
)
def test_every_part_of_a_trunk_stands_at_one_depth(trunk):
    stages = []

    def weights():
        model = trunk(size=32, dtype=jnp.dtype("float32"), rngs=nnx.Rngs(0))
        stages.extend(model.by_depth())
        return nnx.to_pure_dict(nnx.state(model, nnx.Param))

    leaves = jax.tree_util.tree_leaves_with_path(jax.eval_shape(weights))
    names = [".".join(str(key.key) for key in path) + "." for path, _ in leaves]
    parts = [f"{part}." for stage in stages for part in stage]
    assert all(sum(name.startswith(part) for part in parts) == 1 for name in names)
    assert all(any(name.startswith(part) for name in names) for part in parts)


def test_a_part_whose_depth_is_not_told_is_named():
    params = {"trunk": {"stem": jnp.ones(2), "last": jnp.ones(2)}}
    optimizer = make_optimizer(steps=1, learning_rate=1.0, layer_decay=0.5, by_depth=[("stem",)])
    with pytest.raises(ValueError, match=r"by_depth\(\) has last 0 times"):  # noqa: SIM117
        with jax.numpy_dtype_promotion("standard"):
            optimizer.update(params, optimizer.init(params), params)
