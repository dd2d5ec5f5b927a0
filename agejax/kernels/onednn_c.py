"""oneDNN's C interface: its library, and how its primitives are run.

The library comes in the package `onednn-cpu-gomp` (extra `cpu`), without Python bindings. Names and
numbers are those of oneapi/dnnl/dnnl_types.h, version 3.
"""

import contextlib
import ctypes
import os
import threading
from collections.abc import Iterator, Sequence
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

_PACKAGE = "onednn-cpu-gomp"
_F32, _ANY = 3, 1  # data type; format tag
FORWARD, INFERENCE, BACKWARD = 64, 96, 128  # dnnl_prop_kind_t
DIRECT, CLIP = 1, 0x2E  # dnnl_convolution_direct; dnnl_eltwise_clip
SCALE_AND_SHIFT, RELU = 2 | 4, 8  # dnnl_use_scale and dnnl_use_shift; dnnl_fuse_norm_relu
_CPU, _IN_ORDER = 1, 1  # kind of engine; kind of stream
SRC, DST, WEIGHTS, BIAS = 1, 17, 33, 41
DIFF_SRC, DIFF_DST, DIFF_WEIGHTS = 129, 145, 161
OF_NORM = (49, 50, 51, 52)  # mean, variance, scale, shift
WORKSPACE, DIFF_SCALE, DIFF_SHIFT = 64, 255, 256
_SCRATCHPAD, _BY_USER = 80, 1  # the argument; dnnl_scratchpad_mode_user
_QUERY_WEIGHTS, _QUERY_DIFF_WEIGHTS, QUERY_WORKSPACE, _QUERY_SCRATCHPAD = 131, 132, 135, 136

_PAGE = 4096  # bytes
_Dims = ctypes.c_int64 * 12
Handle = ctypes.c_void_p


class _Argument(ctypes.Structure):
    _fields_ = (("arg", ctypes.c_int), ("memory", Handle))


class Failed(RuntimeError):
    """oneDNN cannot do it."""


class _Executable:
    """A primitive created from a description, and the size of its scratchpad."""

    def __init__(self, description: Handle):
        """Of a primitive that was described with `attributes`."""
        self.handle = made("dnnl_primitive_create", description)
        query = quick().dnnl_primitive_desc_query_md
        self.scratchpad = Handle(query(description, _QUERY_SCRATCHPAD, 0))
        self.size = quick().dnnl_memory_desc_get_size(self.scratchpad)


class Primitive:
    """One oneDNN primitive."""

    def __init__(self, description: Handle, descriptions: dict[int, Handle]):
        """`descriptions` of the arguments as JAX has them."""
        self._itself = _Executable(description)
        self._descriptions = descriptions

    def __call__(self, pointers: dict[int, int]) -> None:
        """Runs it on arrays at these addresses, by argument."""
        memories = {
            arg: made("dnnl_memory_create", self._descriptions[arg], engine(), Handle(pointer))
            for arg, pointer in pointers.items()
        }
        try:
            self._run(memories)
        finally:
            for memory in memories.values():
                quick().dnnl_memory_destroy(memory)

    def _run(self, memories: dict[int, Handle]) -> None:
        execute(self._itself, memories)


class WithKernel(Primitive):
    """A primitive whose kernel may have to be reordered before or after it."""

    def __init__(self, description: Handle, descriptions: dict[int, Handle], *, kernel: int):
        """`kernel` is the argument of the weights."""
        super().__init__(description, descriptions)
        self._kernel = kernel
        query = _QUERY_WEIGHTS if kernel == WEIGHTS else _QUERY_DIFF_WEIGHTS
        ordered = Handle(quick().dnnl_primitive_desc_query_md(description, query, 0))
        self._reorder = None
        if not quick().dnnl_memory_desc_equal(ordered, descriptions[kernel]):
            ways = (descriptions[kernel], ordered)
            source, target = ways if kernel == WEIGHTS else ways[::-1]
            where = engine()
            of_both = (source, where, target, where, attributes())
            self._reorder = _Executable(made("dnnl_reorder_primitive_desc_create", *of_both))
            self._ordered, self._size = ordered, quick().dnnl_memory_desc_get_size(ordered)
        self._per_thread = threading.local()

    def _run(self, memories: dict[int, Handle]) -> None:
        if self._reorder is None:
            execute(self._itself, memories)
            return
        plain, ordered = memories[self._kernel], self._buffer()
        if self._kernel == WEIGHTS:
            execute(self._reorder, {SRC: plain, DST: ordered})
        execute(self._itself, memories | {self._kernel: ordered})
        if self._kernel == DIFF_WEIGHTS:
            execute(self._reorder, {SRC: ordered, DST: plain})

    def _buffer(self) -> Handle:
        """This thread's buffer for the kernel in oneDNN's order."""
        if not hasattr(self._per_thread, "memory"):
            self._per_thread.buffer = buffer = ctypes.create_string_buffer(self._size + 64)
            start = (ctypes.addressof(buffer) + 63) // 64 * 64
            self._per_thread.memory = made(
                "dnnl_memory_create", self._ordered, engine(), Handle(start)
            )
        return self._per_thread.memory


def description(dims: Sequence[int], strides: Sequence[int] | None) -> Handle:
    """The description of an array; without strides, oneDNN chooses the order."""
    count, lengths = len(dims), sizes(*dims)
    if strides is None:
        return made("dnnl_memory_desc_create_with_tag", count, lengths, _F32, _ANY)
    return made("dnnl_memory_desc_create_with_strides", count, lengths, _F32, sizes(*strides))


def sizes(*numbers: int) -> ctypes.Array:
    """Numbers as oneDNN's type of dimensions."""
    return _Dims(*numbers)


def made(function: str, *arguments: Any) -> Handle:
    """The object that a creating function of oneDNN returns; all but memories are never freed."""
    handle = Handle()
    check(function, ctypes.byref(handle), *arguments)
    return handle


def check(function: str, *arguments: Any) -> None:
    """Calls a function of oneDNN.

    Raises:
      Failed: it gives an error.
    """
    if status := getattr(quick(), function)(*arguments):
        raise Failed(f"oneDNN's {function} gives status {status}")


def attributes() -> Handle:
    """The attributes of all primitives here: the caller provides the scratchpad.

    oneDNN's own belongs to the thread that made the primitive. XLA calls from threads of its own,
    where that is no memory at all, or too little.
    """
    attribute = made("dnnl_primitive_attr_create")
    check("dnnl_primitive_attr_set_scratchpad_mode", attribute, _BY_USER)
    return attribute


_one_at_a_time = threading.Lock()  # each call takes all cores, and the scratchpad
_scratchpad = ctypes.create_string_buffer(0)  # as large as any primitive has needed


def execute(primitive: _Executable, memories: dict[int, Handle]) -> None:
    """Runs a primitive; other threads may run Python meanwhile."""
    with _one_at_a_time:
        if primitive.size:
            memories = memories | {_SCRATCHPAD: _scratchpad_of(primitive)}
        arguments = (_Argument * len(memories))(*(_Argument(*pair) for pair in memories.items()))
        status = _library().dnnl_primitive_execute(
            primitive.handle, _stream(), len(arguments), arguments
        )
        if primitive.size:
            quick().dnnl_memory_destroy(memories[_SCRATCHPAD])
    if status:
        raise Failed(f"oneDNN's dnnl_primitive_execute gives status {status}")


def _scratchpad_of(primitive: _Executable) -> Handle:
    global _scratchpad
    if len(_scratchpad) < primitive.size + _PAGE:
        _scratchpad = ctypes.create_string_buffer(primitive.size + _PAGE)
    start = (ctypes.addressof(_scratchpad) + _PAGE - 1) // _PAGE * _PAGE
    return made("dnnl_memory_create", primitive.scratchpad, engine(), Handle(start))


@cache
def engine() -> Handle:
    """The engine of the CPU."""
    return made("dnnl_engine_create", _CPU, ctypes.c_size_t(0))


@cache
def _stream() -> Handle:
    return made("dnnl_stream_create", engine(), _IN_ORDER)


@cache
def quick() -> ctypes.PyDLL:
    """The library for short calls, which keep the interpreter's lock."""
    with _sleeping_threads():
        library = ctypes.PyDLL(str(_file()))
    library.dnnl_primitive_desc_query_md.restype = Handle
    library.dnnl_memory_desc_get_size.restype = ctypes.c_size_t
    return library


@cache
def _library() -> ctypes.CDLL:
    with _sleeping_threads():
        return ctypes.CDLL(str(_file()))


@contextlib.contextmanager
def _sleeping_threads() -> Iterator[None]:
    """Within, OpenMP is loaded such that its threads sleep, unless the user says otherwise.

    It reads the environment then. They would spin between two layers, while XLA needs the cores:
    they may for some ten microseconds, which is what waking them takes.
    """
    wanted = {"OMP_WAIT_POLICY": "passive", "GOMP_SPINCOUNT": "10000"}
    ours = {key: value for key, value in wanted.items() if key not in os.environ}
    os.environ |= ours
    try:
        yield
    finally:
        for key in ours:
            os.environ.pop(key, None)


def _file() -> Path:
    package = distribution(_PACKAGE)
    file = next(f for f in package.files or () if f.name == "libdnnl.so.3")
    return Path(str(package.locate_file(file))).resolve()


@cache
def installed() -> bool:
    """Whether the library is installed, can be loaded, and has the supported version.

    `AGEJAX_ONEDNN=0` in the environment disables it.
    """
    if os.getenv("AGEJAX_ONEDNN") == "0":
        return False
    try:
        quick().dnnl_version.restype = ctypes.POINTER(ctypes.c_int)
        return quick().dnnl_version()[0] == 3
    except (PackageNotFoundError, StopIteration, OSError):
        return False
