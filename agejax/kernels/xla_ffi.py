"""XLA programs that call oneDNN's layers on a CPU, by XLA's foreign function interface.

A handler is a C function that XLA calls with pointers to its arguments and results. Here it is
Python behind ctypes: it costs some 20 us a call, needs no compiler, and works on any Python. The
structures are those of xla/ffi/api/c_api.h, which are stable; only fields that are read are named.
"""

import ctypes
from collections.abc import Callable
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from agejax.kernels import onednn, onednn_c

Sizes = tuple[int, ...]
Pads = tuple[tuple[int, int], tuple[int, int]]
_METADATA = 1  # XLA_FFI_Extension_Metadata
_VERSION = (0, 1)  # of the interface: what is used here has been there since


class _Extension(ctypes.Structure):
    _fields_ = (("size", ctypes.c_size_t), ("type", ctypes.c_int), ("next", ctypes.c_void_p))


class _Metadata(ctypes.Structure):
    _fields_ = (
        *(("size", ctypes.c_size_t), ("version_size", ctypes.c_size_t)),
        *(("extension", ctypes.c_void_p), ("major", ctypes.c_int), ("minor", ctypes.c_int)),
    )


class _MetadataExtension(ctypes.Structure):
    _fields_ = (("base", _Extension), ("metadata", ctypes.POINTER(_Metadata)))


class _Buffer(ctypes.Structure):
    _fields_ = (
        *(("size", ctypes.c_size_t), ("extension", ctypes.c_void_p)),
        *(("dtype", ctypes.c_int), ("data", ctypes.c_void_p)),
    )


class _Buffers(ctypes.Structure):
    _fields_ = (
        *(("struct_size", ctypes.c_size_t), ("extension", ctypes.c_void_p)),
        *(("size", ctypes.c_int64), ("types", ctypes.c_void_p)),
        ("items", ctypes.POINTER(ctypes.POINTER(_Buffer))),
    )


class _Array(ctypes.Structure):
    _fields_ = (("dtype", ctypes.c_int), ("size", ctypes.c_size_t), ("data", ctypes.c_void_p))


class _Attributes(ctypes.Structure):
    _fields_ = (
        *(("struct_size", ctypes.c_size_t), ("extension", ctypes.c_void_p)),
        *(("size", ctypes.c_int64), ("types", ctypes.c_void_p), ("names", ctypes.c_void_p)),
        ("items", ctypes.POINTER(ctypes.POINTER(_Array))),
    )


class _CallFrame(ctypes.Structure):
    _fields_ = (
        ("size", ctypes.c_size_t),
        ("extension", ctypes.POINTER(_MetadataExtension)),
        *(("api", ctypes.c_void_p), ("context", ctypes.c_void_p), ("stage", ctypes.c_int)),
        *(("args", _Buffers), ("rets", _Buffers), ("attrs", _Attributes)),
    )


class _ErrorArguments(ctypes.Structure):
    _fields_ = (
        *(("size", ctypes.c_size_t), ("extension", ctypes.c_void_p)),
        *(("message", ctypes.c_char_p), ("code", ctypes.c_int)),
    )


_CREATE_ERROR = 48  # where XLA_FFI_Error_Create stands in XLA_FFI_Api
_INTERNAL = 13  # XLA_FFI_Error_Code_INTERNAL
_CreateError = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.POINTER(_ErrorArguments))
_Handler = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.POINTER(_CallFrame))


def _handler(layer: Callable[[bytes], Any], work: Callable[..., None]) -> Any:
    """A handler of XLA's that calls `work(layer(key), *addresses of arguments, *of results)`."""

    def handle(call: Any) -> int | None:
        frame = call.contents
        if frame.extension and frame.extension.contents.base.type == _METADATA:
            metadata = frame.extension.contents.metadata.contents
            metadata.major, metadata.minor = _VERSION
            return None
        try:
            attribute = frame.attrs.items[0].contents
            key = ctypes.string_at(attribute.data, attribute.size * np.dtype(np.int64).itemsize)
            buffers = (all_.items[i] for all_ in (frame.args, frame.rets) for i in range(all_.size))
            work(layer(key), *(buffer.contents.data for buffer in buffers))
        except BaseException as error:  # whatever it is, C cannot pass it on as an exception
            return _error(frame.api, f"{type(error).__name__}: {error}")
        return None

    return _Handler(handle)


def _error(api: int, message: str) -> int:
    create = _CreateError(ctypes.c_void_p.from_address(api + _CREATE_ERROR).value or 0)
    arguments = _ErrorArguments(ctypes.sizeof(_ErrorArguments), None, message.encode(), _INTERNAL)
    return create(ctypes.byref(arguments))


def _numbers(shape: onednn.Shape) -> np.ndarray:
    """A shape as XLA can carry it in a program."""
    top_and_left = [*shape.pads[0], *shape.pads[1]]
    flat = [*shape.x, *shape.w, *shape.y, shape.stride, *top_and_left, shape.groups]
    return np.array(flat, np.int64)


def _shape_of(numbers: np.ndarray) -> onednn.Shape:
    n = numbers.tolist()
    x, w, y = (tuple(n[i : i + 4]) for i in (0, 4, 8))
    return onednn.Shape(x, w, y, n[12], ((n[13], n[14]), (n[15], n[16])), n[17])


def _bits(number: float | None) -> np.int64:
    """A number as XLA can carry it among whole ones; NaN for None."""
    return np.float64(np.nan if number is None else number).view(np.int64)


def _float(bits: np.int64) -> float | None:
    number = float(bits.view(np.float64))
    return None if np.isnan(number) else number


@cache
def _convolution(key: bytes) -> onednn.Convolution:
    """The convolution whose shape's `_numbers` these are."""
    return onednn.convolution(_shape_of(np.frombuffer(key, np.int64)))


@cache
def _clipped_convolution(key: bytes) -> onednn.ClippedConvolution:
    """The one whose shape's `_numbers` these are, and the bits of where it clips."""
    n = np.frombuffer(key, np.int64)
    return onednn.clipped_convolution(_shape_of(n[:-1]), _float(n[-1]))


@cache
def _batch_norm(key: bytes) -> onednn.BatchNorm:
    """The batch norm whose shape, epsilon's bits and ReLU these are."""
    *shape, epsilon, relu = np.frombuffer(key, np.int64)
    return onednn.batch_norm(tuple(map(int, shape)), float(epsilon.view(np.float64)), bool(relu))


_HANDLERS = {
    "agejax_convolution": _handler(_convolution, onednn.Convolution.forward),
    "agejax_convolution_dx": _handler(_convolution, onednn.Convolution.input_gradient),
    "agejax_convolution_dw": _handler(_convolution, onednn.Convolution.kernel_gradient),
    "agejax_clipped_convolution": _handler(
        _clipped_convolution, onednn.ClippedConvolution.__call__
    ),
    "agejax_batch_norm": _handler(_batch_norm, onednn.BatchNorm.forward),
    "agejax_batch_norm_gradients": _handler(_batch_norm, onednn.BatchNorm.gradients),
}


class OneDNN:
    """oneDNN's layers, for `agejax.kernels.dispatch.use`."""

    def __init__(self) -> None:
        """Registers the handlers with XLA."""
        for name, handler in _HANDLERS.items():
            jax.ffi.register_ffi_target(name, jax.ffi.pycapsule(handler), platform="cpu")

    def convolves(self, x: Sizes, w: Sizes, stride: int, pads: Pads, groups: int) -> bool:
        """Whether to use oneDNN: for plain pointwise layers XLA's matrix product is faster."""
        if w[:2] == (1, 1) and groups == 1:
            return False
        try:
            onednn.convolution(_shape(x, w, stride, pads, groups))
        except onednn_c.Failed:
            return False
        return True

    def convolve(
        self, x: jax.Array, w: jax.Array, stride: int, pads: Pads, groups: int
    ) -> jax.Array:
        """[N, H, W, C] with [h, w, C / groups, K] -> [N, H', W', K], all float32."""
        shape = _shape(x.shape, w.shape, stride, pads, groups)
        return _call("agejax_convolution", [_map(shape.y)], x, w, key=_numbers(shape))[0]

    def convolve_gradients(
        self, x: jax.Array, w: jax.Array, g: jax.Array, stride: int, pads: Pads, groups: int
    ) -> tuple[jax.Array, jax.Array]:
        """Those of the input and of the kernel; two calls, so that XLA can leave one out."""
        shape = _shape(x.shape, w.shape, stride, pads, groups)
        key = _numbers(shape)
        (dx,) = _call("agejax_convolution_dx", [_map(shape.x)], w, g, key=key)
        (dw,) = _call("agejax_convolution_dw", [_map(shape.w)], x, g, key=key)
        return dx, dw

    def convolve_and_clip(
        self,
        x: jax.Array,
        w: jax.Array,
        b: jax.Array,
        stride: int,
        pads: Pads,
        groups: int,
        up_to: float | None,
    ) -> jax.Array:
        """[N, H, W, C] with [h, w, C / groups, K] and [K] -> [N, H', W', K]."""
        shape = _shape(x.shape, w.shape, stride, pads, groups)
        key = np.append(_numbers(shape), _bits(up_to))
        return _call("agejax_clipped_convolution", [_map(shape.y)], x, w, b, key=key)[0]

    def normalize(
        self, x: jax.Array, scale: jax.Array, bias: jax.Array, epsilon: float, relu: bool
    ) -> tuple[jax.Array, ...]:
        """[N, H, W, C] -> the same, [C], [C], and the signs that a ReLU's gradient needs."""
        signs = onednn.batch_norm(x.shape, epsilon, relu).signs
        like = (x.shape, scale.shape, scale.shape)
        results = [*map(_map, like), jax.ShapeDtypeStruct((signs,), jnp.uint8)]
        key = _norm_numbers(x.shape, epsilon, relu)
        return _call("agejax_batch_norm", results, x, scale, bias, key=key)

    def normalize_gradients(
        self,
        x: jax.Array,
        scale: jax.Array,
        saved: tuple[jax.Array, ...],
        g: jax.Array,
        epsilon: float,
        relu: bool,
    ) -> tuple[jax.Array, jax.Array, jax.Array]:
        """Those of input, scale and bias."""
        results = [*map(_map, (x.shape, scale.shape, scale.shape))]
        key = _norm_numbers(x.shape, epsilon, relu)
        dx, *rest = _call("agejax_batch_norm_gradients", results, x, scale, *saved, g, key=key)
        return dx, rest[0], rest[1]


def _shape(x: Sizes, w: Sizes, stride: int, pads: Pads, groups: int) -> onednn.Shape:
    height, width = (
        (size + sum(pad) - kernel) // stride + 1
        for size, pad, kernel in zip(x[1:3], pads, w[:2], strict=True)
    )
    y = (x[0], height, width, w[-1])
    return onednn.Shape(tuple(x), tuple(w), y, stride, pads, groups)  # type: ignore[arg-type]


def _norm_numbers(shape: Sizes, epsilon: float, relu: bool) -> np.ndarray:
    return np.array([*shape, _bits(epsilon), relu], np.int64)


def _map(shape: Sizes) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(shape, jnp.float32)


def _call(
    name: str, results: list[jax.ShapeDtypeStruct], *args: jax.Array, key: np.ndarray
) -> tuple[jax.Array, ...]:
    return tuple(jax.ffi.ffi_call(name, results)(*args, key=key))
