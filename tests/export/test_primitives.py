"""Each piece of a program, traced with any batch, computes in onnxruntime what it does in JAX."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

pytestmark = pytest.mark.usefixtures("quick_compilation")

onnx = pytest.importorskip("onnx", reason="needs the extra onnx")
onnxruntime = pytest.importorskip("onnxruntime", reason="needs the extra onnx")

from agejax.exporters.graph import Untranslated, to_onnx  # noqa: E402
from agejax.labels import argmax_age, mean_age, quantile_age  # noqa: E402
from agejax.models.heads import from_exceedances  # noqa: E402


def in_onnxruntime(function, x, weights=()):
    """`function(weights, x)` by way of ONNX, for the whole batch and for one row of it."""
    model = to_onnx(lambda w, x: {"y": function(*w, x)}, weights, x.shape[1:], x.dtype)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    whole, one = (session.run(None, {"image": part})[0] for part in (x, x[:1]))
    np.testing.assert_allclose(one, whole[:1], atol=1e-5)
    return whole


def drawn(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


FUNCTIONS = {
    "arithmetic": lambda x: (x * 2 + 1) / (x**2 + 3) - jnp.abs(x) ** 0.5 + x**3 - 2.0,
    "exponentials": lambda x: jnp.exp(x) + jnp.log1p(x**2) + jnp.expm1(x * 1e-4) * 1e4,
    "activations": lambda x: nnx.relu6(x) + nnx.gelu(x, approximate=False) + nnx.silu(x),
    "other activations": lambda x: nnx.gelu(x) + nnx.elu(x) + nnx.softplus(x) + jnp.tanh(x),
    "choices": lambda x: jnp.where((x > 0) & (x < 1), x, jnp.clip(-x, -0.5, 0.7)),
    "softmax": lambda x: jax.nn.softmax(x, -1) + jax.nn.log_softmax(x, -1),
    "standardised": lambda x: (x - x.mean(-1, keepdims=True)) / x.std(-1, keepdims=True),
    "extrema": lambda x: x.max(-1, keepdims=True) * x.min(-1, keepdims=True) + x * 0,
    "argmax": lambda x: jnp.stack([x.argmax(-1), x.argmin(-1)], -1).astype(jnp.float32),
    "sorted": lambda x: jnp.sort(x, axis=-1),
    "accumulated": lambda x: jnp.cumsum(x, -1) + jax.lax.cumsum(x, 1, reverse=True),
    "joined": lambda x: jnp.concatenate([x[:, 2:5], x[:, ::-1], x[:, ::3]], -1),
    "split": lambda x: jnp.concatenate(jnp.split(x, [3, 7], -1)[::-1], -1),
    "padded": lambda x: jnp.pad(x, ((0, 0), (2, 1)), constant_values=7.0),
    "one of each": lambda x: x[:, 4] + x[:, -1],
    "some of each": lambda x: x[:, np.array([4, 1, 1])],
    "each row's own": lambda x: jnp.take_along_axis(x, x.argmax(-1, keepdims=True), -1),
    "numbers alone": lambda x: x + jnp.arange(x.shape[1], dtype=jnp.float32)[None],
    "spread out": lambda x: jnp.broadcast_to(x[:, :1], x.shape) @ jnp.ones((x.shape[1], 2)),
    "reshaped": lambda x: x.reshape(x.shape[0], -1, 2).transpose(0, 2, 1).reshape(x.shape[0], -1),
    "products": lambda x: jnp.einsum("bi,bj->bij", x, x).sum(-1) + x @ jnp.eye(x.shape[1]),
    "other products": lambda x: jnp.einsum("bi,ji->bj", x, jnp.eye(x.shape[1])),
    "unused": lambda x: (jax.lax.fft(x.astype(jnp.complex64), "fft", (12,)), x)[1],
    "checkpointed": lambda x: jax.checkpoint(lambda x: jnp.sin(x) * jnp.cos(x))(x),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_rows_of_numbers(name):
    x = drawn(5, 12)
    expected = FUNCTIONS[name](jnp.asarray(x))
    np.testing.assert_allclose(in_onnxruntime(FUNCTIONS[name], x), expected, atol=2e-6, rtol=2e-6)


def _bits(x):
    return x & 6 | 1 ^ ~x


HARD = {
    "small logarithms": (lambda x: jnp.log1p(x * 1e-9), 3e-7),
    "large logarithms": (lambda x: jnp.log1p(2.0 ** jnp.floor(20 * x)), 1e-6),
    "no finite logarithms": (lambda x: jnp.log1p(jnp.where(x > 0, jnp.inf, -1.0)), 0),
    "bytes": (lambda x: (x * 300).astype(jnp.uint8).astype(jnp.float32), 0),
    "signed bytes": (lambda x: (x * 300).astype(jnp.int8).astype(jnp.float32), 0),
    "few digits": (lambda x: jax.lax.reduce_precision(x, 8, 7), 0),
    "half the digits": (lambda x: jax.lax.reduce_precision(x, 5, 10), 0),
    "all digits": (lambda x: jax.lax.reduce_precision(x, 8, 23), 0),
    "clipped indices": (lambda x: jnp.take(x, np.array([1, 99]), axis=1, mode="clip"), 0),
    "bits": (lambda x: _bits((x * 9).astype(jnp.int32)).astype(jnp.float32), 0),
}


@pytest.mark.parametrize("name", HARD)
def test_what_is_lost_where_a_translation_is_only_nearly_right(name):
    function, within = HARD[name]
    x = drawn(5, 12)
    expected = function(jnp.asarray(x))
    np.testing.assert_allclose(in_onnxruntime(function, x), expected, rtol=within, atol=0)


@pytest.mark.parametrize("padding", ["SAME", "VALID", ((2, 0), (1, 3))])
@pytest.mark.parametrize(("stride", "groups", "dilation"), [(1, 1, 1), (2, 3, 1), (1, 1, 2)])
def test_convolutions(padding, stride, groups, dilation):
    x, w = drawn(3, 9, 8, 6), drawn(3, 2, 6 // groups, 9, seed=1)

    def conv(w, x):
        return jax.lax.conv_general_dilated(
            x,
            w,
            (stride, stride),
            padding,
            rhs_dilation=(dilation, dilation),
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
            feature_group_count=groups,
        )

    np.testing.assert_allclose(in_onnxruntime(conv, x, [w]), conv(w, x), atol=2e-5)


@pytest.mark.parametrize("pool", [nnx.max_pool, nnx.avg_pool])
@pytest.mark.parametrize("padding", ["SAME", "VALID", ((2, 1), (0, 1))])
def test_pooling_keeps_its_padding(pool, padding):
    # All below zero, so that padding by zeros in place of -inf would show.
    x = -np.abs(drawn(2, 7, 6, 3)) - 1
    pooled = lambda x: pool(x, (3, 3), (2, 2), padding)
    with jax.numpy_dtype_promotion("standard"):
        expected = pooled(jnp.asarray(x))
        np.testing.assert_allclose(in_onnxruntime(pooled, x), expected, atol=1e-6)


def test_ages_are_decoded():
    p = np.asarray(jax.nn.softmax(3 * drawn(6, 101)))
    both = lambda p: jnp.stack(
        [quantile_age(p, 0.05), quantile_age(p, 0.5), mean_age(p), argmax_age(p)], -1
    )
    np.testing.assert_allclose(in_onnxruntime(both, p), both(jnp.asarray(p)), atol=1e-4)


def test_ranks_become_probabilities():
    logits = 4 * drawn(6, 100)
    expected = from_exceedances(jnp.asarray(logits))
    np.testing.assert_allclose(in_onnxruntime(from_exceedances, logits), expected, atol=1e-6)


def test_attention():
    x = drawn(2, 5, 12)

    def attend(x):
        heads = x.reshape(*x.shape[:2], 3, 2, 2)
        y = jax.nn.dot_product_attention(*(heads[:, :, i] for i in range(3)))
        return y.reshape(*x.shape[:2], -1)

    np.testing.assert_allclose(in_onnxruntime(attend, x), attend(jnp.asarray(x)), atol=1e-5)


def test_what_no_input_changes_is_worked_out_once():
    w = drawn(12, 12)
    function = lambda w, x: {"y": x @ (jnp.exp(w) / jnp.exp(w).sum(0, keepdims=True))}
    model = to_onnx(function, w, (12,), np.float32)
    assert [node.op_type for node in model.graph.node] == ["MatMul", "Identity"]


def test_weights_keep_their_names_and_stand_once():
    weights = {"trunk": {"kernel": drawn(3, 3, 4, 8)}}

    def twice(weights, x):
        conv = lambda x: jax.lax.conv(
            x, weights["trunk"]["kernel"].transpose(3, 2, 0, 1), (1, 1), "SAME"
        )
        return {"y": conv(x) + conv(x[..., ::-1])}

    model = to_onnx(twice, weights, (4, 8, 8), np.float32)
    large = [x.name for x in model.graph.initializer if np.prod(x.dims) > 64]
    assert len(large) == 1


def test_an_unknown_primitive_is_named():
    with pytest.raises(Untranslated, match="the primitive erf_inv"):
        to_onnx(lambda w, x: {"y": jax.lax.erf_inv(x)}, (), (4,), np.float32)


UNKNOWN = {
    "rounding to 4 exponent and 3 mantissa bits": lambda x: jax.lax.reduce_precision(x, 4, 3),
    "a gather out of bounds": lambda x: jnp.take(x, np.array([1, 99]), axis=1, mode="fill"),
}


@pytest.mark.parametrize("why", UNKNOWN)
def test_a_form_that_would_come_out_wrong_is_refused(why):
    with pytest.raises(Untranslated, match=why):
        to_onnx(lambda w, x: {"y": UNKNOWN[why](x)}, (), (4,), np.float32)
