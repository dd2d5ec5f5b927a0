"""Published arrays find their places, or a line says why not; no torch in it."""

from functools import cache

import jax
import numpy as np
import pytest

from agejax import config as configs
from agejax.errors import UserError
from agejax.models.convnext import ConvNeXtT
from agejax.models.efficientnet_lite import EfficientNetLite0
from agejax.models.face_resnet import FaceResNet
from agejax.models.resnet import ResNet18
from agejax.models.vgg import VGG16
from agejax.models.vit import ViTS16
from agejax.models.weight_mapping import load_pretrained, resample_positions
from agejax.steps.model_factory import abstract_model

pytestmark = pytest.mark.usefixtures("quick_compilation")

LEAVES = {"kernel": "weight", "scale": "weight", "mean": "running_mean", "var": "running_var"}


@cache
def shapes(trunk, size=32):
    config = configs.default()
    config.model.trunk, config.data.size = trunk, size
    return abstract_model(config)[1]


def published(trunk, layout=0, value=0.5):
    """A file of the trunk's weights and a classifier, named and laid out as theirs."""
    names, (classifier, *_), _ = trunk.published()[layout]
    arrays = {f"{classifier}weight": np.ones((10, 8)), f"{classifier}bias": np.ones(10)}
    for tree in (shapes(trunk)["params"]["trunk"], shapes(trunk)["stats"].get("trunk", {})):
        for keys, x in jax.tree_util.tree_leaves_with_path(tree):
            path = ".".join(str(key.key) for key in keys)
            module, _, leaf = path.rpartition(".")
            name = names.get(path) or f"{names[module]}.{LEAVES.get(leaf, leaf)}"
            shape = x.shape[2:][::-1] + x.shape[:2] if x.ndim == 4 else x.shape[::-1]
            shape = (1, *x.shape) if leaf == "position" else shape
            arrays[name] = np.broadcast_to(np.float32(value), shape)
    return arrays


def load(trunk, arrays):
    return load_pretrained(shapes(trunk), arrays, trunk.published(), "FILE")


@pytest.mark.parametrize(
    "trunk", [ResNet18, EfficientNetLite0, FaceResNet, VGG16, ConvNeXtT, ViTS16]
)
def test_every_layout_fills_the_whole_trunk(trunk):
    for layout in range(len(trunk.published())):
        weights, report = load(trunk, published(trunk, layout))
        filled = [weights["params"]["trunk"], weights["stats"].get("trunk", {})]
        ours = [shapes(trunk)["params"]["trunk"], shapes(trunk)["stats"].get("trunk", {})]
        jax.tree.map(lambda x, y: np.testing.assert_equal(x.shape, y.shape), filled, ours)
        assert all((np.asarray(x) == 0.5).all() for x in jax.tree.leaves(filled))
        assert report.weights == sum(x.size for x in jax.tree.leaves(ours))


def test_the_report_says_what_was_loaded_skipped_and_new():
    weights, report = load(
        ResNet18, {**published(ResNet18), "bn1.num_batches_tracked": np.int64(9)}
    )
    assert weights["params"]["heads"] is shapes(ResNet18)["params"]["heads"]
    assert report.skipped == ("fc.bias", "fc.weight")
    assert report.new == ("heads.age", "heads.gender")
    assert str(report) == (
        "FILE: 11.19 million weights in 100 arrays loaded; skipped: fc.bias, fc.weight; "
        "new: heads.age, heads.gender\n"
        "they expect: normalise with agejax.models.multitask:imagenet"
    )


def less(arrays):
    return {name: x for name, x in arrays.items() if not name.startswith("layer4.1")}


def more(arrays):
    return arrays | {"layer1.2.conv1.weight": np.ones((64, 64, 3, 3))}


def other(arrays):
    return {f"net.{name}": x for name, x in arrays.items()}


def wider(arrays):
    return arrays | {"conv1.weight": np.ones((64, 4, 7, 7))}


def flat(arrays):
    return arrays | {"conv1.weight": np.ones(64 * 3 * 7 * 7)}


def nan(arrays):
    return arrays | {"bn1.bias": np.full(64, np.nan)}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (less, "FILE lacks 10 of the trunk's 100 arrays: layer4.1"),
        (more, "FILE holds 1 arrays that the trunk does not have: layer1.2.conv1.weight"),
        (other, "FILE holds no array of this trunk: it has net.fc.weight, net.fc.bias"),
        (lambda arrays: {}, "FILE holds no array of this trunk: it has nothing"),
        (wider, r"FILE: conv1.weight is \[64, 4, 7, 7\], which does not fit .*\[7, 7, 3, 64\]"),
        (flat, r"FILE: conv1.weight is \[9408\]"),
        (nan, "FILE: bn1.bias holds values that are not finite numbers"),
    ],
)
def test_a_file_that_does_not_fit_is_refused_in_a_line(change, said):
    with pytest.raises(UserError, match=said) as error:
        load(ResNet18, change(published(ResNet18)))
    assert "\n" not in str(error.value)


def test_positions_of_the_same_grid_stay_and_a_constant_stays_constant():
    x = np.random.default_rng(0).normal(size=(50, 4)).astype(np.float32)
    assert resample_positions(x, 50) is x
    x[1:] = 3
    larger = resample_positions(x, 197)
    np.testing.assert_array_equal(larger[0], x[0])
    np.testing.assert_allclose(larger[1:], 3, rtol=1e-5)


def test_a_vit_of_another_size_resamples_its_positions():
    arrays = published(ViTS16)
    assert arrays["pos_embed"].shape == (1, 5, 384)
    arrays["pos_embed"] = np.ones((1, 197, 384), np.float32)
    weights, _ = load(ViTS16, arrays)
    np.testing.assert_allclose(weights["params"]["trunk"]["position"], 1, rtol=1e-5)
    arrays["pos_embed"] = np.ones((1, 12, 384), np.float32)
    with pytest.raises(UserError, match=r"pos_embed is \[1, 12, 384\]"):
        load(ViTS16, arrays)
