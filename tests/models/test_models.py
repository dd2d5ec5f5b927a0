import flax.nnx as nnx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from agejax import config as configs
from agejax.errors import UserError
from agejax.models.cnn import SmallCNN, TutorialCNN
from agejax.models.convnext import ConvNeXtT
from agejax.models.efficientnet_lite import EfficientNetLite0
from agejax.models.face_resnet import FaceResNet
from agejax.models.layers import Dropout, StochasticDepth, avg_pool_2x2, max_pool_2x2
from agejax.models.multitask import MultiTask, per_image, to_unit
from agejax.models.resnet import ResNet18, ResNet50
from agejax.models.vgg import VGG16
from agejax.models.vit import ViTS16
from agejax.steps.model_factory import abstract_model, make_model
from agejax.steps.step import make_predict_step
from tests.export.networks import shrink

pytestmark = pytest.mark.usefixtures("quick_compilation")


def model(trunk, size=32, normalise=to_unit, head_width=0, **args):
    """A network with weights drawn by numpy: XLA takes longer to compile JAX's own draws."""

    def build():
        rngs = nnx.Rngs(0)
        made = trunk(size=size, dtype=jnp.dtype("float32"), rngs=rngs, **args)
        classes = {"age": 101, "gender": 2}
        return MultiTask(made, classes, normalise=normalise, head_width=head_width, rngs=rngs)

    graph, state = nnx.split(nnx.eval_shape(build))
    rng = np.random.default_rng(0)

    def draw(path, x):
        if (name := path[-1].key) in ("scale", "var"):
            return jnp.ones(x.shape)
        drawn = rng.normal(size=x.shape) if name == "kernel" else np.zeros(x.shape)
        return jnp.asarray(drawn / np.sqrt(max(np.prod(x.shape[:-1]), 1)), x.dtype)

    return nnx.merge(graph, jax.tree_util.tree_map_with_path(draw, nnx.to_pure_dict(state)))


# A program for each network; called plainly, each of its operations would be compiled alone.
call = nnx.jit(lambda net, image, key=None: net(image, key))


def images(n=4, size=32, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (n, size, size, 3), np.uint8)


@pytest.mark.parametrize(("trunk", "head_width"), [(TutorialCNN, 1024), (SmallCNN, 0)])
def test_logits_of_every_task(trunk, head_width):
    logits = call(model(trunk, head_width=head_width), images())
    assert {task: (x.shape, x.dtype) for task, x in logits.items()} == {
        "age": ((4, 101), jnp.float32),
        "gender": ((4, 2), jnp.float32),
    }


def test_the_tutorials_network_has_its_105_million_weights_at_224_pixels():
    config = configs.default()
    config.data.size = 224
    config.model.update(trunk=TutorialCNN, normalise=per_image, head_width=1024)
    _, weights = abstract_model(config)
    sizes = sorted(x.size for x in jax.tree.leaves(weights["params"]))
    convolutions = 5 * 5 * (3 * 32 + 32 * 64 + 64 * 128) + 32 + 64 + 128
    dense = 28 * 28 * 128 * 1024 + 1024
    heads = 2 * (1024 * 1024 + 1024) + 1025 * (101 + 2)
    assert sum(sizes) == convolutions + dense + heads
    assert sizes[-1] / sum(sizes) > 0.97


def test_per_image_standardisation():
    x = per_image(jnp.asarray(images(), jnp.float32))
    np.testing.assert_allclose(x.mean((1, 2, 3)), 0, atol=1e-5)
    np.testing.assert_allclose(x.std((1, 2, 3)), 1, atol=1e-4)
    flat = per_image(jnp.full((1, 8, 8, 3), 17.0))
    assert not np.isnan(flat).any()


def test_pixels_may_come_as_bytes_or_floats():
    net = model(SmallCNN)
    as_bytes, as_floats = call(net, images()), call(net, images().astype(np.float32))
    np.testing.assert_array_equal(as_bytes["age"], as_floats["age"])


def test_inference_sees_each_face_alone():
    net = model(SmallCNN)
    together = call(net, images(4))["age"]
    alone = jnp.concatenate([call(net, image[None])["age"] for image in images(4)])
    np.testing.assert_allclose(together, alone, atol=1e-5)


def test_training_uses_the_batch_and_moves_the_statistics():
    net = model(SmallCNN, dropout=0.0)
    before = jax.tree.map(jnp.copy, nnx.to_pure_dict(nnx.state(net, nnx.BatchStat)))
    call(net, images(), jax.random.key(0))
    after = nnx.to_pure_dict(nnx.state(net, nnx.BatchStat))
    moved = jax.tree.map(lambda a, b: bool((a != b).any()), before, after)
    assert all(jax.tree.leaves(moved))


@pytest.mark.parametrize("shape", [(2, 8, 8, 3), (1, 7, 9, 2), (1, 2, 2, 1)])
def test_pools_equal_the_plain_ones(shape):
    x = jax.random.normal(jax.random.key(0), shape)
    np.testing.assert_array_equal(max_pool_2x2(x), nnx.max_pool(x, (2, 2), (2, 2)))
    ones = (1, 2, 2, 1)
    mean = jax.lax.reduce_window(x, 0.0, jax.lax.add, ones, ones, "VALID") / 4
    np.testing.assert_allclose(avg_pool_2x2(x), mean, atol=1e-6)


def test_dropout_keeps_the_mean_and_is_off_without_a_key():
    x = jnp.ones((100, 100))
    dropped = Dropout(0.7)(x, jax.random.key(0))
    assert (dropped == 0).mean() == pytest.approx(0.7, abs=0.02)
    assert dropped.mean() == pytest.approx(1, abs=0.05)
    np.testing.assert_array_equal(Dropout(0.7)(x, None), x)


def test_bfloat16_computes_near_float32():
    config = tiny_config()
    graph, weights = make_model(config)
    exact = make_predict_step(graph)(weights, images(4, 64))
    config.model.dtype = "bfloat16"
    graph, same = make_model(config)
    assert all(x.dtype == jnp.float32 for x in jax.tree.leaves(same))
    with jax.numpy_dtype_promotion("standard"):
        rough = make_predict_step(graph)(weights, images(4, 64))
    np.testing.assert_allclose(exact["age"], rough["age"], atol=2e-3)
    assert rough["age"].dtype == jnp.float32


def tiny_config():
    config = configs.default()
    with config.unlocked():
        config.model.args = {"widths": (8, 16), "depths": (1, 1)}
    return config


def test_the_same_seed_gives_the_same_weights():
    config = tiny_config()
    _, a = make_model(config)
    _, b = make_model(config)
    jax.tree.map(np.testing.assert_array_equal, a, b)
    config.seed = 1
    _, c = make_model(config)
    assert (a["params"]["heads"]["age"]["kernel"] != c["params"]["heads"]["age"]["kernel"]).any()


@pytest.mark.parametrize(
    ("trunk", "features", "millions"),
    # the weights of the originals less their classifiers of 1,000
    [
        (ResNet18, 512, 11.177),
        (ResNet50, 2048, 23.508),
        (EfficientNetLite0, 1280, 3.371),
        (FaceResNet, 256, 5.578),
        (VGG16, 4096, 134.261),
        (ViTS16, 384, 21.666),
        (ConvNeXtT, 768, 27.820),
    ],
)
def test_published_architectures_have_their_weights(trunk, features, millions):
    config = configs.default()
    config.model.trunk, config.data.size = trunk, 224
    _, weights = abstract_model(config)
    trunk_weights = jax.tree.leaves(weights["params"]["trunk"])
    assert sum(x.size for x in trunk_weights) / 1e6 == pytest.approx(millions, abs=1e-3)
    assert weights["params"]["heads"]["age"]["kernel"].shape == (features, 101)


@pytest.mark.parametrize("trunk", [ResNet18, EfficientNetLite0, FaceResNet])
def test_published_architectures_train_and_predict(trunk, monkeypatch):
    shrink(monkeypatch)  # to one or two of each kind of block
    net = model(trunk)
    for key in (jax.random.key(0), None):
        logits = call(net, images(2), key)["age"]
        assert logits.shape == (2, 101)
        assert bool(jnp.isfinite(logits).all())


@pytest.mark.parametrize("trunk", [ResNet50, VGG16, ViTS16, ConvNeXtT])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_larger_architectures_keep_their_dtypes(trunk, dtype, monkeypatch):
    shrink(monkeypatch)
    features = 0

    def run():
        nonlocal features
        net = trunk(size=64, dtype=jnp.dtype(dtype), rngs=nnx.Rngs(0))
        features = net.features
        x = jnp.ones((2, 64, 64, 3), dtype)
        return net(x, jax.random.key(0)), net(x, None)

    with jax.numpy_dtype_promotion("strict" if dtype == "float32" else "standard"):
        both = jax.eval_shape(run)
    assert {(x.shape, str(x.dtype)) for x in both} == {((2, features), dtype)}


@pytest.mark.parametrize(
    ("trunk", "size"), [(VGG16, 31), (ConvNeXtT, 31), (FaceResNet, 10), (ViTS16, 100)]
)
def test_a_size_that_does_not_suit_a_trunk_is_told(trunk, size):
    config = configs.default()
    config.model.trunk, config.data.size = trunk, size
    with pytest.raises(UserError, match=f"{trunk.__name__} needs .* not {size}"):
        abstract_model(config)


def test_stochastic_depth_leaves_out_whole_images_and_keeps_the_mean():
    x = jnp.ones((1000, 2, 3))
    kept = StochasticDepth(0.4)(x, jax.random.key(0))
    assert set(np.unique(kept)) == {np.float32(0), np.float32(1 / 0.6)}
    assert ((kept == kept[:, :1, :1]).all((1, 2))).all()
    assert kept.mean() == pytest.approx(1, abs=0.1)
    np.testing.assert_array_equal(StochasticDepth(0.4)(x, None), x)
