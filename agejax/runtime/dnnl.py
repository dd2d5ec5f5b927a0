"""oneDNN's layers on a CPU, through its C interface: the only room that knows oneDNN.

The library comes in the package `onednn-cpu-gomp` (extra `cpu`), without Python bindings. Memory
is laid out as JAX has it, [N, H, W, C] and [h, w, C / groups, K]; oneDNN brings kernels into its
own order where that is faster. Names and numbers are those of oneapi/dnnl/dnnl_types.h, version 3.
"""

import ctypes
import os
import threading
from collections.abc import Sequence
from functools import cache, partial
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any, NamedTuple

_PACKAGE = "onednn-cpu-gomp"
_F32, _ANY = 3, 1  # data type; format tag
_FORWARD, _INFERENCE, _BACKWARD = 64, 96, 128  # dnnl_prop_kind_t
_DIRECT, _CLIP = 1, 0x2E  # dnnl_convolution_direct; dnnl_eltwise_clip
_SCALE_AND_SHIFT, _RELU = 2 | 4, 8  # dnnl_use_scale and dnnl_use_shift; dnnl_fuse_norm_relu
_CPU, _IN_ORDER = 1, 1  # kind of engine; kind of stream
_SRC, _DST, _WEIGHTS, _BIAS = 1, 17, 33, 41
_DIFF_SRC, _DIFF_DST, _DIFF_WEIGHTS = 129, 145, 161
_OF_NORM = (49, 50, 51, 52)  # mean, variance, scale, shift
_WORKSPACE, _DIFF_SCALE, _DIFF_SHIFT = 64, 255, 256
_QUERY_WEIGHTS, _QUERY_DIFF_WEIGHTS, _QUERY_WORKSPACE = 131, 132, 135

_Dims = ctypes.c_int64 * 12
_Handle = ctypes.c_void_p


class _Argument(ctypes.Structure):
    _fields_ = (("arg", ctypes.c_int), ("memory", _Handle))


class Shape(NamedTuple):
    """What a convolution is: enough to make it, and a key to find it again."""

    x: tuple[int, int, int, int]  # [N, H, W, C]
    w: tuple[int, int, int, int]  # [h, w, C / groups, K]
    y: tuple[int, int, int, int]  # [N, H', W', K]
    stride: int
    pads: tuple[tuple[int, int], tuple[int, int]]
    groups: int


class Failed(RuntimeError):
    """oneDNN cannot do it."""


class _Primitive:
    """One oneDNN primitive."""

    def __init__(self, description: _Handle, descriptions: dict[int, _Handle]):
        """`descriptions` of the arguments as JAX has them."""
        self._handle = _made("dnnl_primitive_create", description)
        self._descriptions = descriptions

    def __call__(self, pointers: dict[int, int]) -> None:
        """Runs it on arrays at these addresses, by argument."""
        memories = {
            arg: _made("dnnl_memory_create", self._descriptions[arg], _engine(), _Handle(pointer))
            for arg, pointer in pointers.items()
        }
        try:
            self._run(memories)
        finally:
            for memory in memories.values():
                _quick().dnnl_memory_destroy(memory)

    def _run(self, memories: dict[int, _Handle]) -> None:
        _execute(self._handle, memories)


class _WithKernel(_Primitive):
    """One whose kernel may have to change its order, before or after."""

    def __init__(self, description: _Handle, descriptions: dict[int, _Handle], *, kernel: int):
        """`kernel` is the argument of the weights."""
        super().__init__(description, descriptions)
        self._kernel = kernel
        query = _QUERY_WEIGHTS if kernel == _WEIGHTS else _QUERY_DIFF_WEIGHTS
        ordered = _Handle(_quick().dnnl_primitive_desc_query_md(description, query, 0))
        self._reorder = None
        if not _quick().dnnl_memory_desc_equal(ordered, descriptions[kernel]):
            ways = (descriptions[kernel], ordered)
            source, target = ways if kernel == _WEIGHTS else ways[::-1]
            engine = _engine()
            reorder = _made(
                "dnnl_reorder_primitive_desc_create", source, engine, target, engine, None
            )
            self._reorder = _made("dnnl_primitive_create", reorder)
            self._ordered, self._size = ordered, _quick().dnnl_memory_desc_get_size(ordered)
        self._per_thread = threading.local()

    def _run(self, memories: dict[int, _Handle]) -> None:
        if self._reorder is None:
            _execute(self._handle, memories)
            return
        plain, ordered = memories[self._kernel], self._room()
        if self._kernel == _WEIGHTS:
            _execute(self._reorder, {_SRC: plain, _DST: ordered})
        _execute(self._handle, memories | {self._kernel: ordered})
        if self._kernel == _DIFF_WEIGHTS:
            _execute(self._reorder, {_SRC: ordered, _DST: plain})

    def _room(self) -> _Handle:
        """Where this thread keeps the kernel in oneDNN's order."""
        if not hasattr(self._per_thread, "memory"):
            self._per_thread.buffer = buffer = ctypes.create_string_buffer(self._size + 64)
            start = (ctypes.addressof(buffer) + 63) // 64 * 64
            self._per_thread.memory = _made(
                "dnnl_memory_create", self._ordered, _engine(), _Handle(start)
            )
        return self._per_thread.memory


class Convolution:
    """The three primitives of a convolution; each takes addresses of float32 arrays.

    Raises:
      Failed: oneDNN has none for this shape.
    """

    def __init__(self, shape: Shape):
        """Makes the primitives: some milliseconds, once a shape."""
        x, y = (_of_map(of) for of in (shape.x, shape.y))
        w, any_w = _of_kernel(shape, plain=True), _of_kernel(shape, plain=False)
        stride, dilation = _dims(shape.stride, shape.stride), _dims(0, 0)
        (top, bottom), (left, right) = shape.pads
        rest = (stride, dilation, _dims(top, left), _dims(bottom, right))
        make = partial(_made, "dnnl_convolution_forward_primitive_desc_create", _engine())
        hint = make(_FORWARD, _DIRECT, x, any_w, None, y, *rest, None)
        self._forward = _WithKernel(hint, {_SRC: x, _WEIGHTS: w, _DST: y}, kernel=_WEIGHTS)
        make = partial(_made, "dnnl_convolution_backward_data_primitive_desc_create", _engine())
        of_x = make(_DIRECT, x, any_w, y, *rest, hint, None)
        self._input_gradient = _WithKernel(
            of_x, {_DIFF_SRC: x, _WEIGHTS: w, _DIFF_DST: y}, kernel=_WEIGHTS
        )
        make = partial(_made, "dnnl_convolution_backward_weights_primitive_desc_create", _engine())
        of_w = make(_DIRECT, x, any_w, None, y, *rest, hint, None)
        self._kernel_gradient = _WithKernel(
            of_w, {_SRC: x, _DIFF_WEIGHTS: w, _DIFF_DST: y}, kernel=_DIFF_WEIGHTS
        )

    def forward(self, x: int, w: int, y: int) -> None:
        """Writes the result to `y`."""
        self._forward({_SRC: x, _WEIGHTS: w, _DST: y})

    def input_gradient(self, w: int, dy: int, dx: int) -> None:
        """Writes the gradient of the input to `dx`."""
        self._input_gradient({_DIFF_SRC: dx, _WEIGHTS: w, _DIFF_DST: dy})

    def kernel_gradient(self, x: int, dy: int, dw: int) -> None:
        """Writes the gradient of the kernel to `dw`."""
        self._kernel_gradient({_SRC: x, _DIFF_WEIGHTS: dw, _DIFF_DST: dy})


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
        x, y, b = _of_map(shape.x), _of_map(shape.y), _description(shape.w[-1:], (1,))
        w, any_w = _of_kernel(shape, plain=True), _of_kernel(shape, plain=False)
        (top, bottom), (left, right) = shape.pads
        rest = (_dims(shape.stride, shape.stride), _dims(0, 0), _dims(top, left))
        clipped = None if up_to is None else _clipping(up_to)
        description = _made(
            "dnnl_convolution_forward_primitive_desc_create",
            _engine(),
            *(_INFERENCE, _DIRECT, x, any_w, b, y, *rest, _dims(bottom, right), clipped),
        )
        all_of = {_SRC: x, _WEIGHTS: w, _BIAS: b, _DST: y}
        self._primitive = _WithKernel(description, all_of, kernel=_WEIGHTS)

    def __call__(self, x: int, w: int, b: int, y: int) -> None:
        """Writes the result to `y`; all are addresses of float32 arrays."""
        self._primitive({_SRC: x, _WEIGHTS: w, _BIAS: b, _DST: y})


@cache
def clipped_convolution(shape: Shape, up_to: float | None) -> ClippedConvolution:
    """The one of this shape, made once."""
    return ClippedConvolution(shape, up_to)


def _clipping(up_to: float) -> _Handle:
    """The attribute of a primitive whose result is clipped to 0..`up_to`."""
    operations, attribute = _made("dnnl_post_ops_create"), _made("dnnl_primitive_attr_create")
    bounds = (ctypes.c_float(0), ctypes.c_float(up_to))
    _check("dnnl_post_ops_append_eltwise", operations, _CLIP, *bounds)
    _check("dnnl_primitive_attr_set_post_ops", attribute, operations)
    return attribute


class BatchNorm:
    """Batch norm in training, with a ReLU behind it or none; arrays of float32, but for `signs`.

    Raises:
      Failed: oneDNN has none for this shape.
    """

    def __init__(self, shape: tuple[int, int, int, int], epsilon: float, relu: bool):
        """For maps [N, H, W, C]."""
        x, vector = _of_map(shape), _description((shape[-1],), (1,))
        flags = ctypes.c_uint(_SCALE_AND_SHIFT | _RELU * relu)
        rest = (ctypes.c_float(epsilon), flags)
        make = partial(_made, "dnnl_batch_normalization_forward_primitive_desc_create", _engine())
        forward = make(_FORWARD, x, x, *rest, None)
        make = partial(_made, "dnnl_batch_normalization_backward_primitive_desc_create", _engine())
        backward = make(_BACKWARD, x, x, x, *rest, forward, None)
        signs = _Handle(_quick().dnnl_primitive_desc_query_md(forward, _QUERY_WORKSPACE, 0))
        self.signs = _quick().dnnl_memory_desc_get_size(signs) if relu else 0
        both = {_SRC: x, **dict.fromkeys(_OF_NORM, vector), _WORKSPACE: signs}
        self._forward = _Primitive(forward, {**both, _DST: x})
        gradients = dict.fromkeys((_DIFF_SCALE, _DIFF_SHIFT), vector)
        self._backward = _Primitive(backward, {**both, _DIFF_SRC: x, _DIFF_DST: x, **gradients})

    def forward(
        self, x: int, scale: int, shift: int, y: int, mean: int, variance: int, signs: int
    ) -> None:
        """Writes the result, the statistics, and `self.signs` bytes: what a ReLU lets through."""
        known = dict(zip(_OF_NORM, (mean, variance, scale, shift), strict=True))
        self._forward({_SRC: x, _DST: y, **known} | self._kept(signs))

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
        known = dict(zip(_OF_NORM, (mean, variance, scale), strict=False))
        wanted = {_DIFF_SRC: dx, _DIFF_SCALE: dscale, _DIFF_SHIFT: dshift}
        self._backward({_SRC: x, _DIFF_DST: dy, **known, **wanted} | self._kept(signs))

    def _kept(self, signs: int) -> dict[int, int]:
        return {_WORKSPACE: signs} if self.signs else {}


@cache
def batch_norm(shape: tuple[int, int, int, int], epsilon: float, relu: bool) -> BatchNorm:
    """The batch norm of this shape, made once."""
    return BatchNorm(shape, epsilon, relu)


def _of_map(shape: Sequence[int]) -> _Handle:
    n, h, w, c = shape
    return _description((n, c, h, w), (h * w * c, 1, w * c, c))


def _of_kernel(shape: Shape, *, plain: bool) -> _Handle:
    """[h, w, C / g, K] as oneDNN counts it, [K, C, h, w], or [g, K / g, C / g, h, w]."""
    (h, w, i, o), g = shape.w, shape.groups
    dims = (o // g, i, h, w) if g == 1 else (g, o // g, i, h, w)
    strides = (1, o, w * i * o, i * o) if g == 1 else (o // g, 1, o, w * i * o, i * o)
    return _description(dims, strides if plain else None)


def _description(dims: Sequence[int], strides: Sequence[int] | None) -> _Handle:
    size, sizes = len(dims), _dims(*dims)
    if strides is None:
        return _made("dnnl_memory_desc_create_with_tag", size, sizes, _F32, _ANY)
    return _made("dnnl_memory_desc_create_with_strides", size, sizes, _F32, _dims(*strides))


def _dims(*numbers: int) -> ctypes.Array:
    return _Dims(*numbers)


def _made(function: str, *arguments: Any) -> _Handle:
    """What a creating function of oneDNN makes; all but memories are kept for good."""
    handle = _Handle()
    _check(function, ctypes.byref(handle), *arguments)
    return handle


def _check(function: str, *arguments: Any) -> None:
    if status := getattr(_quick(), function)(*arguments):
        raise Failed(f"oneDNN's {function} gives status {status}")


_one_at_a_time = threading.Lock()  # each call takes all cores


def _execute(primitive: _Handle, memories: dict[int, _Handle]) -> None:
    arguments = (_Argument * len(memories))(*(_Argument(*pair) for pair in memories.items()))
    with _one_at_a_time:
        status = _library().dnnl_primitive_execute(primitive, _stream(), len(arguments), arguments)
    if status:
        raise Failed(f"oneDNN's dnnl_primitive_execute gives status {status}")


@cache
def _engine() -> _Handle:
    return _made("dnnl_engine_create", _CPU, ctypes.c_size_t(0))


@cache
def _stream() -> _Handle:
    return _made("dnnl_stream_create", _engine(), _IN_ORDER)


@cache
def _quick() -> ctypes.PyDLL:
    """For calls too short to be worth letting go of the interpreter's lock."""
    library = ctypes.PyDLL(str(_file()))
    library.dnnl_primitive_desc_query_md.restype = _Handle
    library.dnnl_memory_desc_get_size.restype = ctypes.c_size_t
    return library


@cache
def _library() -> ctypes.CDLL:
    return ctypes.CDLL(str(_file()))


def _file() -> Path:
    # OpenMP's threads would spin between two layers, while XLA needs the cores: they may for some
    # ten microseconds, which is what waking them takes
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    os.environ.setdefault("GOMP_SPINCOUNT", "10000")
    package = distribution(_PACKAGE)
    file = next(f for f in package.files or () if f.name == "libdnnl.so.3")
    return Path(str(package.locate_file(file))).resolve()


@cache
def installed() -> bool:
    """Whether the library is here, can be loaded, and is of the version that this file speaks to.

    `AGEJAX_ONEDNN=0` in the environment says that it is not.
    """
    if os.getenv("AGEJAX_ONEDNN") == "0":
        return False
    try:
        _quick().dnnl_version.restype = ctypes.POINTER(ctypes.c_int)
        return _quick().dnnl_version()[0] == 3
    except (PackageNotFoundError, StopIteration, OSError):
        return False
