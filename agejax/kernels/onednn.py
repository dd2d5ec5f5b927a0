"""oneDNN's layers on a CPU; only this module and `onednn_c` use oneDNN.

Memory is laid out as JAX has it, [N, H, W, C] and [h, w, C / groups, K]; oneDNN reorders kernels
where that is faster.
"""

import ctypes
from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import NamedTuple

from agejax.kernels import onednn_c as c
from agejax.kernels.onednn_c import Handle


class Shape(NamedTuple):
    """The shapes and settings of a convolution: the key under which it is cached."""

    x: tuple[int, int, int, int]  # [N, H, W, C]
    w: tuple[int, int, int, int]  # [h, w, C / groups, K]
    y: tuple[int, int, int, int]  # [N, H', W', K]
    stride: int
    pads: tuple[tuple[int, int], tuple[int, int]]
    groups: int


class Convolution:
    """The three primitives of a convolution; each takes addresses of float32 arrays.

    Raises:
      Failed: oneDNN has none for this shape.
    """

    def __init__(self, shape: Shape):
        """Makes the primitives: some milliseconds, once a shape."""
        x, y = (_of_map(of) for of in (shape.x, shape.y))
        w, any_w = _of_kernel(shape, plain=True), _of_kernel(shape, plain=False)
        stride, dilation = c.sizes(shape.stride, shape.stride), c.sizes(0, 0)
        (top, bottom), (left, right) = shape.pads
        rest = (stride, dilation, c.sizes(top, left), c.sizes(bottom, right))
        make = _making("convolution_forward")
        hint = make(c.FORWARD, c.DIRECT, x, any_w, None, y, *rest, c.attributes())
        self._forward = c.WithKernel(hint, {c.SRC: x, c.WEIGHTS: w, c.DST: y}, kernel=c.WEIGHTS)
        make = _making("convolution_backward_data")
        of_x = make(c.DIRECT, x, any_w, y, *rest, hint, c.attributes())
        self._input_gradient = c.WithKernel(
            of_x, {c.DIFF_SRC: x, c.WEIGHTS: w, c.DIFF_DST: y}, kernel=c.WEIGHTS
        )
        make = partial(
            c.made, "dnnl_convolution_backward_weights_primitive_desc_create", c.engine()
        )
        of_w = make(c.DIRECT, x, any_w, None, y, *rest, hint, c.attributes())
        self._kernel_gradient = c.WithKernel(
            of_w, {c.SRC: x, c.DIFF_WEIGHTS: w, c.DIFF_DST: y}, kernel=c.DIFF_WEIGHTS
        )

    def forward(self, x: int, w: int, y: int) -> None:
        """Writes the result to `y`."""
        self._forward({c.SRC: x, c.WEIGHTS: w, c.DST: y})

    def input_gradient(self, w: int, dy: int, dx: int) -> None:
        """Writes the gradient of the input to `dx`."""
        self._input_gradient({c.DIFF_SRC: dx, c.WEIGHTS: w, c.DIFF_DST: dy})

    def kernel_gradient(self, x: int, dy: int, dw: int) -> None:
        """Writes the gradient of the kernel to `dw`."""
        self._kernel_gradient({c.SRC: x, c.DIFF_WEIGHTS: dw, c.DIFF_DST: dy})


@cache
def convolution(shape: Shape) -> Convolution:
    """The convolution of this shape, made once."""
    return Convolution(shape)


class ClippedConvolution:
    """A convolution and its bias at inference, clipped to 0..`up_to` unless that is None.

    Raises:
      Failed: oneDNN has none for this shape.
    """

    def __init__(self, shape: Shape, up_to: float | None):
        """Makes the primitive."""
        x, y, b = _of_map(shape.x), _of_map(shape.y), c.description(shape.w[-1:], (1,))
        w, any_w = _of_kernel(shape, plain=True), _of_kernel(shape, plain=False)
        (top, bottom), (left, right) = shape.pads
        rest = (c.sizes(shape.stride, shape.stride), c.sizes(0, 0), c.sizes(top, left))
        attributes = c.attributes() if up_to is None else _clipping(up_to)
        description = _making("convolution_forward")(
            c.INFERENCE, c.DIRECT, x, any_w, b, y, *rest, c.sizes(bottom, right), attributes
        )
        all_of = {c.SRC: x, c.WEIGHTS: w, c.BIAS: b, c.DST: y}
        self._primitive = c.WithKernel(description, all_of, kernel=c.WEIGHTS)

    def __call__(self, x: int, w: int, b: int, y: int) -> None:
        """Writes the result to `y`; all are addresses of float32 arrays."""
        self._primitive({c.SRC: x, c.WEIGHTS: w, c.BIAS: b, c.DST: y})


@cache
def clipped_convolution(shape: Shape, up_to: float | None) -> ClippedConvolution:
    """The one of this shape, made once."""
    return ClippedConvolution(shape, up_to)


def _making(layer: str) -> Callable[..., Handle]:
    """The function that creates the description of a layer's primitive."""
    return partial(c.made, f"dnnl_{layer}_primitive_desc_create", c.engine())


def _clipping(up_to: float) -> Handle:
    """The attribute of a primitive whose result is clipped to 0..`up_to`."""
    operations, attribute = c.made("dnnl_post_ops_create"), c.attributes()
    bounds = (ctypes.c_float(0), ctypes.c_float(up_to))
    c.check("dnnl_post_ops_append_eltwise", operations, c.CLIP, *bounds)
    c.check("dnnl_primitive_attr_set_post_ops", attribute, operations)
    return attribute


class BatchNorm:
    """Batch norm in training, with a ReLU behind it or none; arrays of float32, but for `signs`.

    Raises:
      Failed: oneDNN has none for this shape.
    """

    def __init__(self, shape: tuple[int, int, int, int], epsilon: float, relu: bool):
        """For maps [N, H, W, C]."""
        x, vector = _of_map(shape), c.description((shape[-1],), (1,))
        flags = ctypes.c_uint(c.SCALE_AND_SHIFT | c.RELU * relu)
        rest = (ctypes.c_float(epsilon), flags)
        make = _making("batch_normalization_forward")
        forward = make(c.FORWARD, x, x, *rest, c.attributes())
        make = partial(
            c.made, "dnnl_batch_normalization_backward_primitive_desc_create", c.engine()
        )
        backward = make(c.BACKWARD, x, x, x, *rest, forward, c.attributes())
        signs = Handle(c.quick().dnnl_primitive_desc_query_md(forward, c.QUERY_WORKSPACE, 0))
        self.signs = c.quick().dnnl_memory_desc_get_size(signs) if relu else 0
        both = {c.SRC: x, **dict.fromkeys(c.OF_NORM, vector), c.WORKSPACE: signs}
        self._forward = c.Primitive(forward, {**both, c.DST: x})
        gradients = dict.fromkeys((c.DIFF_SCALE, c.DIFF_SHIFT), vector)
        self._backward = c.Primitive(backward, {**both, c.DIFF_SRC: x, c.DIFF_DST: x, **gradients})

    def forward(
        self, x: int, scale: int, shift: int, y: int, mean: int, variance: int, signs: int
    ) -> None:
        """Writes the result, the statistics, and `self.signs` bytes: what a ReLU lets through."""
        known = dict(zip(c.OF_NORM, (mean, variance, scale, shift), strict=True))
        self._forward({c.SRC: x, c.DST: y, **known} | self._kept(signs))

    def gradients(
        self,
        x: int,
        scale: int,
        mean: int,
        variance: int,
        signs: int,
        dy: int,
        dx: int,
        dscale: int,
        dshift: int,
    ) -> None:
        """Writes those of the input, the scale and the shift."""
        known = dict(zip(c.OF_NORM, (mean, variance, scale), strict=False))
        wanted = {c.DIFF_SRC: dx, c.DIFF_SCALE: dscale, c.DIFF_SHIFT: dshift}
        self._backward({c.SRC: x, c.DIFF_DST: dy, **known, **wanted} | self._kept(signs))

    def _kept(self, signs: int) -> dict[int, int]:
        return {c.WORKSPACE: signs} if self.signs else {}


@cache
def batch_norm(shape: tuple[int, int, int, int], epsilon: float, relu: bool) -> BatchNorm:
    """The batch norm of this shape, made once."""
    return BatchNorm(shape, epsilon, relu)


def _of_map(shape: Sequence[int]) -> Handle:
    n, height, width, depth = shape
    return c.description(
        (n, depth, height, width), (height * width * depth, 1, width * depth, depth)
    )


def _of_kernel(shape: Shape, *, plain: bool) -> Handle:
    """[h, w, C / g, K] as oneDNN counts it, [K, C, h, w], or [g, K / g, C / g, h, w]."""
    (h, w, i, o), g = shape.w, shape.groups
    dims = (o // g, i, h, w) if g == 1 else (g, o // g, i, h, w)
    strides = (1, o, w * i * o, i * o) if g == 1 else (o // g, 1, o, w * i * o, i * o)
    return c.description(dims, strides if plain else None)
