import flax.nnx as nnx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from agejax.kernels import conv as convolutions
from agejax.kernels.conv import conv2d
from agejax.models.layers import max_pool_3x3

pytestmark = pytest.mark.usefixtures("quick_compilation")

# form, height and width, channels in and out, kernel, stride, groups
CASES = [
    ("plain", (7, 5), 128, 130, 3, 1, 1),
    ("_im2col", (1, 1), 128, 128, 3, 1, 1),
    ("_im2col", (7, 7), 128, 128, 3, 2, 1),
    ("_depthwise", (8, 8), 6, 6, 3, 1, 6),
    ("_depthwise", (7, 7), 6, 6, 5, 2, 6),
    ("_depthwise", (2, 2), 6, 6, 5, 1, 6),
    ("_pointwise", (5, 5), 6, 4, 1, 1, 1),
    ("_pointwise", (7, 7), 6, 4, 1, 2, 1),
    ("_im2col", (2, 2), 64, 8, 3, 2, 1),
    ("_im2col", (7, 7), 64, 8, 3, 2, 1),
    ("_im2col", (2, 2), 64, 64, 3, 1, 1),
    ("_im2col", (2, 2), 6, 8, 5, 1, 1),
    ("plain", (9, 9), 3, 8, 5, 2, 1),
    ("plain", (9, 9), 6, 8, 3, 1, 2),
]


def normal(*shape):
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_every_form_equals_xlas_in_value_and_gradient(case):
    name, (height, width), channels, features, k, stride, groups = case
    x = normal(2, height, width, channels)
    w = normal(k, k, channels // groups, features) / k
    form = convolutions._form(x.shape, w.shape, stride, groups)
    assert getattr(form, "func", form).__name__ == name
    pads = [(k // 2, k // 2)] * 2

    def ours(x, w):
        return conv2d(x, w, (stride, stride), pads, feature_group_count=groups)

    def theirs(x, w):
        rule = ("NHWC", "HWIO", "NHWC")
        return jax.lax.conv_general_dilated(
            x, w, (stride, stride), pads, dimension_numbers=rule, feature_group_count=groups
        )

    @jax.jit
    def both(x, w, g):
        return [[f(x, w), *jax.vjp(f, x, w)[1](g)] for f in (ours, theirs)]

    shape = jax.eval_shape(theirs, x, w).shape
    for mine, other in zip(*both(x, w, normal(*shape)), strict=True):
        scale = np.abs(other).max()
        np.testing.assert_allclose(mine, other, atol=1e-5 * scale, rtol=0)


@pytest.mark.parametrize(
    "unusual", [{"strides": (1, 2)}, {"rhs_dilation": (2, 2)}, {"lhs_dilation": (1, 2)}], ids=str
)
def test_what_it_does_not_do_is_refused(unusual):
    x, w = jnp.ones((1, 4, 4, 3)), jnp.ones((3, 3, 3, 4))
    with pytest.raises(ValueError, match="one stride and no dilation"):
        conv2d(x, w, unusual.pop("strides", (1, 1)), "SAME", **unusual)


def test_bfloat16_goes_the_plain_way():
    x, w = jnp.ones((1, 4, 4, 128), jnp.bfloat16), jnp.ones((3, 3, 128, 128), jnp.bfloat16)
    y = conv2d(x, w, (1, 1), "SAME")
    assert y.dtype == jnp.bfloat16
    assert float(y[0, 1, 1, 0]) == 9 * 128


@pytest.mark.parametrize("shape", [(2, 8, 8, 3), (1, 7, 9, 2), (1, 1, 2, 1)])
def test_max_pool_3x3_equals_the_plain_one(shape):
    x = normal(*shape)
    pads = [(0, 0), (1, 1), (1, 1), (0, 0)]
    plain = jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, (1, 3, 3, 1), (1, 2, 2, 1), pads)
    np.testing.assert_array_equal(max_pool_3x3(x), plain)


@pytest.mark.parametrize("shape", [(2, 8, 8, 3), (1, 7, 9, 2), (1, 3, 4, 1)])
def test_max_pool_3x3_inside_equals_the_plain_one(shape):
    x = normal(*shape)
    plain = nnx.max_pool(x, (3, 3), (2, 2))
    np.testing.assert_array_equal(max_pool_3x3(x, padded=False), plain)
