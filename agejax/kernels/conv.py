"""Two-dimensional convolution, lowered for CPUs in other ways than XLA's own.

On a GPU or TPU, and in bfloat16, this is `jax.lax.conv_general_dilated`. On a CPU that is up to 60
times slower than necessary where the kernel exceeds the map, and up to 30 times where the
convolution is depthwise (jax 0.10); there one of the forms below is chosen by shape. All compute
the same sums in another order.
"""

from collections.abc import Callable, Sequence
from functools import partial

import jax
import jax.numpy as jnp
from jax.ad_checkpoint import checkpoint_name

from agejax.kernels import dispatch
from agejax.kernels.dispatch import Pads

NAME = "convolution"  # of its results, for `jax.checkpoint`
Form = Callable[..., jax.Array]


def conv2d(
    x: jax.Array,
    w: jax.Array,
    strides: Sequence[int],
    padding: str | Sequence[tuple[int, int]],
    *,
    feature_group_count: int = 1,
    **settings,
) -> jax.Array:
    """`jax.lax.conv_general_dilated` of [B, H, W, C] with [h, w, C / groups, K], as nnx.Conv asks.

    Args:
      x: the input.
      w: the kernel.
      strides: of height and width, equal.
      padding: "SAME", "VALID", or zeros before and after for height and width.
      feature_group_count: 1, or C for a depthwise convolution.
      **settings: what else nnx.Conv gives: dilations, which must be 1, the dimensions' order and
        the precision, which are as here always.

    Raises:
      ValueError: strides that differ, or a dilation.
    """
    stride, across = strides
    dilations = (settings.get(f"{side}_dilation") or (1,) for side in ("lhs", "rhs"))
    if stride != across or any(d != 1 for side in dilations for d in side):
        raise ValueError(f"conv2d takes one stride and no dilation, not {strides}, {settings}")
    y = _conv(x, w, stride, pads_of(x, w, strides, padding), feature_group_count)
    return checkpoint_name(y, NAME)


def pads_of(
    x: jax.Array, w: jax.Array, strides: Sequence[int], padding: str | Sequence[tuple[int, int]]
) -> Pads:
    """The zeros before and after for height and width that a padding means."""
    if isinstance(padding, str):
        padding = jax.lax.padtype_to_pads(x.shape[1:3], w.shape[:2], strides, padding)
    (top, bottom), (left, right) = padding
    return (top, bottom), (left, right)


@partial(jax.custom_vjp, nondiff_argnums=(2, 3, 4))
def _conv(x: jax.Array, w: jax.Array, stride: int, pads: Pads, groups: int) -> jax.Array:
    xlas = partial(plain, stride=stride, pads=pads, groups=groups)
    if x.dtype != jnp.float32 or dispatch.is_portable():
        return xlas(x, w)
    layers = dispatch.in_use()
    if layers and layers.convolves(x.shape, w.shape, stride, pads, groups):
        cpu = partial(layers.convolve, stride=stride, pads=pads, groups=groups)
    else:
        cpu = partial(_form(x.shape, w.shape, stride, groups), stride=stride, pads=pads)
    return jax.lax.platform_dependent(x, w, cpu=cpu, default=xlas)


def _conv_fwd(x, w, stride, pads, groups):
    return _conv(x, w, stride, pads, groups), (x, w)


def _conv_bwd(stride, pads, groups, saved, g):
    x, w = saved
    xlas = partial(plain, stride=stride, pads=pads, groups=groups)
    both = lambda x, w, g: jax.vjp(xlas, x, w)[1](g)
    if x.dtype != jnp.float32 or dispatch.is_portable():
        return both(x, w, g)
    layers = dispatch.in_use()
    if layers and layers.convolves(x.shape, w.shape, stride, pads, groups):
        cpu = partial(layers.convolve_gradients, stride=stride, pads=pads, groups=groups)
    else:
        cpu = partial(_gradients, _form(x.shape, w.shape, stride, groups), stride, pads)
    return jax.lax.platform_dependent(x, w, g, cpu=cpu, default=both)


_conv.defvjp(_conv_fwd, _conv_bwd)


def _form(x: tuple[int, ...], w: tuple[int, ...], stride: int, groups: int) -> Form:
    """The form for such shapes; the bounds come from single layers, timed on two cores."""
    height, (k, _, channels, width) = x[1], w
    if groups == x[-1] == width:
        return _depthwise
    if groups > 1:
        return partial(plain, groups=groups)
    if k == 1:
        return _pointwise
    wide = stride == 1 and min(channels, width) >= 128  # XLA's own is as fast there
    if k > height or (height <= 8 and channels >= 64 and not wide):
        return _im2col
    return partial(plain, groups=groups)


def _gradients(form, stride, pads, x, w, g):
    if form is _depthwise:
        input_gradient = _depthwise_input_gradient(x.shape, w, g, stride, pads)
        return input_gradient, _depthwise_kernel_gradient(x, w.shape, g, stride, pads)
    return jax.vjp(partial(form, stride=stride, pads=pads), x, w)[1](g)


def plain(x: jax.Array, w: jax.Array, *, stride: int, pads: Pads, groups: int) -> jax.Array:
    """XLA's own convolution, which `conv2d` is on every platform but a CPU."""
    rule = ("NHWC", "HWIO", "NHWC")
    return jax.lax.conv_general_dilated(
        x, w, (stride, stride), pads, dimension_numbers=rule, feature_group_count=groups
    )


def _pointwise(x, w, *, stride, pads):
    del pads
    x = x[:, ::stride, ::stride]
    return (x.reshape(-1, x.shape[-1]) @ w[0, 0]).reshape(*x.shape[:3], -1)


def _windows(x, k, stride, pads):
    x = jnp.pad(x, ((0, 0), *pads, (0, 0)))
    h, w = ((n - k) // stride * stride + 1 for n in x.shape[1:3])
    return [x[:, i : i + h : stride, j : j + w : stride] for i in range(k) for j in range(k)]


def _im2col(x, w, *, stride, pads):
    columns = jnp.concatenate(_windows(x, len(w), stride, pads), -1)
    flat = columns.reshape(-1, columns.shape[-1]) @ w.reshape(-1, w.shape[-1])
    return flat.reshape(*columns.shape[:3], -1)


def _depthwise(x, w, *, stride, pads):
    taps = w.reshape(-1, w.shape[-1])
    pairs = zip(_windows(x, len(w), stride, pads), taps, strict=True)
    return sum(window * tap[None, None, None] for window, tap in pairs)


def _depthwise_input_gradient(shape, w, g, stride, pads):
    """Windows of the result's gradient, dilated by the stride, times the flipped kernel.

    The transposition of `_depthwise` would write out a padded array for each tap of the kernel.
    """
    k = len(w)
    spread = [(n - 1) * stride + 1 for n in g.shape[1:3]]
    around = [
        (k - 1 - before, size + before - near)
        for (before, _), size, near in zip(pads, shape[1:3], spread, strict=True)
    ]
    config = [(0, 0, 0), *((*pad, stride - 1) for pad in around), (0, 0, 0)]
    spread_out = jax.lax.pad(g, jnp.zeros((), g.dtype), config)
    return _depthwise(spread_out, w[::-1, ::-1], stride=1, pads=((0, 0), (0, 0)))


def _depthwise_kernel_gradient(x, shape, g, stride, pads):
    """For each tap the sum of its window times the results' gradient, a few images at a time.

    The windows of all images at once would be written out to memory, one for each tap.
    """
    few = next(n for n in (4, 2, 1) if len(x) % n == 0)
    in_parts = lambda a: a.reshape(-1, few, *a.shape[1:])

    def add(total, part):
        x, g = part
        taps = [(window * g).sum((0, 1, 2)) for window in _windows(x, shape[0], stride, pads)]
        return total + jnp.stack(taps), None

    zero = jnp.zeros((shape[0] * shape[1], shape[-1]), x.dtype)
    return jax.lax.scan(add, zero, (in_parts(x), in_parts(g)))[0].reshape(shape)
