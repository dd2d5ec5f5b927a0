"""oneDNN's convolutions under XLA: the values of XLA's own, and errors that come out as such."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from agejax.kernels import conv, dispatch, onednn_c
from agejax.kernels.conv_norm import RELU, RELU6, conv_norm
from agejax.models.efficientnet_lite import EfficientNetLite0
from agejax.models.layers import Conv, batch_norm

if not onednn_c.installed():
    pytest.skip("the package onednn-cpu-gomp (extra cpu) is not here", allow_module_level=True)

from agejax.kernels import xla_ffi

pytestmark = pytest.mark.usefixtures("quick_compilation")

SAME, NONE = ((1, 1), (1, 1)), ((0, 0), (0, 0))
CASES = {
    "3x3": (9, 8, 3, 16, 1, SAME, 1),
    "stem": (12, 3, 5, 8, 2, ((2, 1), (1, 2)), 1),
    "kernel larger than the map": (2, 4, 3, 4, 1, SAME, 1),
    "a scratchpad is needed": (2, 64, 3, 256, 1, SAME, 1),  # on AVX2; without it, a crash
    "a row left over": (8, 4, 3, 4, 2, NONE, 1),
    "depthwise": (7, 24, 3, 24, 1, SAME, 24),
    "depthwise, strided": (9, 24, 5, 24, 2, ((2, 2), (2, 2)), 24),
    "grouped": (6, 8, 3, 12, 1, SAME, 4),
}


@pytest.fixture
def onednn():
    dispatch.use(xla_ffi.OneDNN())
    yield
    dispatch.use(None)


def arrays(size, channels, k, width, groups):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2, size, size, channels)).astype(np.float32)
    w = rng.normal(size=(k, k, channels // groups, width)).astype(np.float32)
    return x, w


def results(conv2d, x, w, stride, pads, groups):
    def both(x, w):
        y, back = jax.vjp(
            lambda x, w: conv2d(x, w, (stride, stride), pads, feature_group_count=groups), x, w
        )
        return y, *back(jnp.cos(y / w[..., 0].size ** 0.5))  # of size one, whatever w is

    return jax.jit(both)(x, w)


def plainly(x, w, strides, pads, feature_group_count):
    return conv.plain(x, w, stride=strides[0], pads=pads, groups=feature_group_count)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_values_and_gradients_are_xlas(onednn, case):
    size, channels, k, width, stride, pads, groups = case
    x, w = arrays(size, channels, k, width, groups)
    lowered = jax.jit(
        lambda x, w: conv.conv2d(x, w, (stride, stride), pads, feature_group_count=groups)
    )
    assert "agejax_convolution" in lowered.lower(x, w).as_text()
    ours = results(conv.conv2d, x, w, stride, pads, groups)
    xlas = results(plainly, x, w, stride, pads, groups)
    for a, b in zip(ours, xlas, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5 * np.abs(b).max())


def test_the_same_call_gives_the_same_bits(onednn):
    x, w = arrays(16, 32, 3, 32, 1)
    first = results(conv.conv2d, x, w, 1, SAME, 1)
    for _ in range(5):
        for a, b in zip(first, results(conv.conv2d, x, w, 1, SAME, 1), strict=True):
            np.testing.assert_array_equal(a, b)


def test_pointwise_and_bfloat16_stay_with_xla(onednn):
    x, w = arrays(4, 8, 1, 8, 1)
    step = lambda x, w: conv.conv2d(x, w, (1, 1), NONE)
    assert "agejax_convolution" not in jax.jit(step).lower(x, w).as_text()
    x, w = (a.astype(jnp.bfloat16) for a in arrays(4, 8, 3, 8, 1))
    assert "agejax_convolution" not in jax.jit(step).lower(x, w).as_text()


def test_a_failure_is_an_error_and_not_a_result(onednn, monkeypatch):
    x, w = arrays(5, 8, 3, 8, 1)
    step = jax.jit(lambda x, w: conv.conv2d(x, w, (1, 1), SAME))
    step(x, w)

    def fail(*args):
        raise onednn_c.Failed("no luck")

    monkeypatch.setattr(onednn_c, "execute", fail)
    with pytest.raises((jax.errors.JaxRuntimeError, ValueError), match="Failed: no luck"):
        step(x, w).block_until_ready()


def normalized(x, scale, bias, relu, g):
    """The result, its running statistics, and the gradients of input, scale and bias."""

    def f(x, scale, bias):
        norm = batch_norm(x.shape[-1], rngs=nnx.Rngs(0))
        norm.scale[...], norm.bias[...] = scale, bias
        y = norm(x, False, relu=relu)
        return y, (norm.mean[...], norm.var[...])

    @jax.jit
    def both(*args):
        y, back, running = jax.vjp(f, *args, has_aux=True)
        return y, *running, *back(g)

    ours = dispatch.in_use() is not None
    assert ("agejax_batch_norm" in both.lower(x, scale, bias).as_text()) == ours
    return both(x, scale, bias)


@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize("channels", [24, 7])
def test_batch_norm_and_its_gradients_are_xlas(onednn, channels, relu):
    rng = np.random.default_rng(1)
    x, g = (rng.normal(2, 3, (4, 6, 5, channels)).astype(np.float32) for _ in range(2))
    scale, bias = (rng.normal(size=channels).astype(np.float32) for _ in range(2))
    ours = normalized(x, scale, bias, relu, g)
    dispatch.use(None)
    xlas = normalized(x, scale, bias, relu, g)
    for a, b in zip(ours, xlas, strict=True):
        np.testing.assert_allclose(a, b, atol=2e-5 * np.abs(b).max())


def test_batch_norm_at_inference_is_xlas(onednn):
    norm = batch_norm(8, rngs=nnx.Rngs(0))
    lowered = jax.jit(lambda x: norm(x, True, relu=True)).lower(jnp.ones((2, 4, 4, 8))).as_text()
    assert "agejax_batch_norm" not in lowered


FOLDED = [(case, RELU6) for case in CASES] + [("3x3", None), ("depthwise", None), ("3x3", RELU)]


@pytest.mark.parametrize(("case", "up_to"), FOLDED)
def test_folded_into_one_at_inference_the_values_are_xlas(onednn, case, up_to):
    size, channels, k, width, stride, pads, groups = CASES[case]
    x, _ = arrays(size, channels, k, width, groups)
    rngs = nnx.Rngs(0)
    conv = Conv(channels, width, k, stride, groups=groups, padding=pads, use_bias=False, rngs=rngs)
    norm = batch_norm(width, rngs=rngs)
    rng = np.random.default_rng(1)
    for variable in (norm.scale, norm.bias, norm.mean, norm.var):
        variable[...] = rng.uniform(0.5, 3.5, variable.shape).astype(np.float32)
    step = jax.jit(lambda x: conv_norm(conv, norm, x, training=False, up_to=up_to))
    assert "agejax_clipped_convolution" in step.lower(x).as_text()
    ours = step(x)
    dispatch.use(None)
    xlas = jax.jit(lambda x: conv_norm(conv, norm, x, training=False, up_to=up_to))(x)
    np.testing.assert_allclose(ours, xlas, atol=1e-5 * np.abs(xlas).max())


def test_a_trunk_reads_the_same_features(onednn):
    make = lambda: EfficientNetLite0(size=32, dtype=jnp.float32, rngs=nnx.Rngs(0))
    graph, shapes = nnx.split(nnx.eval_shape(make))
    rng = np.random.default_rng(0)

    def filled(x):  # by NumPy: XLA has no initialisers to compile
        low, high = (0.5, 1.5) if x.ndim == 1 else (-0.2, 0.2)
        return rng.uniform(low, high, x.shape).astype(np.float32)

    net = nnx.merge(graph, jax.tree.map(filled, shapes))
    x = rng.normal(size=(2, 32, 32, 3)).astype(np.float32)
    ours = jax.jit(lambda x: net(x, None))(x)
    dispatch.use(None)
    xlas = jax.jit(lambda x: net(x, None))(x)
    assert np.abs(xlas).max() > 0
    np.testing.assert_allclose(ours, xlas, atol=1e-5 * np.abs(xlas).max())
