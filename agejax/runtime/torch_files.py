"""torch's own files, read without torch and without running what is in them.

A file of torch is a pickle: a program that may call anything. So it is not given to `pickle`. The
few instructions that a state dict takes are interpreted here, and the only calls among them that
mean anything are those that make a dict or a tensor; others are refused by name. Both layouts are
read: the zip archive (torch 1.6 on) and the row of pickles before it.
"""

import functools
import io
import math
import pickletools
import zipfile
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from agejax.errors import UserError

_MAGIC = 0x1950A86A20F9469CFC6C  # what the older layout begins with
_DTYPES = {
    **{"Double": "<f8", "Float": "<f4", "Half": "<f2", "BFloat16": jnp.bfloat16},
    **{"Long": "<i8", "Int": "<i4", "Short": "<i2", "Char": "i1", "Byte": "u1", "Bool": "?"},
}
_STORAGES = {("torch", f"{name}Storage"): np.dtype(dtype) for name, dtype in _DTYPES.items()}
_DICT, _SIZE = ("collections", "OrderedDict"), ("torch", "Size")
_PARAMETER = ("torch._utils", "_rebuild_parameter")
_TENSORS = {("torch._utils", "_rebuild_tensor_v2"), ("torch._utils", "_rebuild_tensor")}
_KNOWN = {_DICT, _SIZE, _PARAMETER, *_TENSORS, *_STORAGES}
_WRAPPERS = ("state_dict", "model_state_dict", "model_state", "model", "module")


class _Storage(NamedTuple):
    """A run of numbers in the file."""

    dtype: np.dtype
    key: str
    start: int
    size: int


class _Tensor(NamedTuple):
    """A view of a storage, counted in its numbers."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def read_zip(archive: zipfile.ZipFile) -> dict[str, np.ndarray]:
    """The tensors of a file of the newer layout.

    Raises:
      UserError: the file asks for code to be run, or holds no dict of tensors.
      Exception: of any kind, where it is broken.
    """
    (program,) = (name for name in archive.namelist() if name.endswith("/data.pkl"))
    folder = program.removesuffix("data.pkl")
    if any(info.compress_type != zipfile.ZIP_STORED for info in archive.infolist()):
        raise UserError("its archive is compressed, which torch never does")
    if f"{folder}byteorder" in archive.namelist():
        _check_byte_order(archive.read(f"{folder}byteorder") == b"little")
    tensors = _state_dict(_Machine().run(io.BytesIO(archive.read(program))))
    read = functools.cache(lambda key: archive.read(f"{folder}data/{key}"))
    return _arrays(tensors, read, sum(info.file_size for info in archive.infolist()))


def read_legacy(data: bytes) -> dict[str, np.ndarray]:
    """The tensors of a file of the older layout: pickles in a row, and then the numbers.

    Raises:
      UserError: the file asks for code to be run, or holds no dict of tensors.
      Exception: of any kind, where it is broken.
    """
    stream, machine = io.BytesIO(data), _Machine()
    if machine.run(stream) != _MAGIC:
        raise UserError("it is a pickle, but none of torch; save a state_dict() with torch.save")
    machine.run(stream)  # the layout's version, of which there is one
    _check_byte_order(machine.run(stream)["little_endian"])
    value, keys = machine.run(stream), machine.run(stream)
    buffers = {}
    for key in keys:
        count = int.from_bytes(stream.read(8), "little")
        buffers[key] = memoryview(data)[stream.tell() :][: count * machine.itemsizes[key]]
        stream.seek(stream.tell() + len(buffers[key]))
    return _arrays(_state_dict(value), buffers.__getitem__, len(data))


def _check_byte_order(little: bool) -> None:
    if not little:
        raise UserError("it was written on a big-endian machine; save it anew on another")


def _state_dict(value: Any) -> dict[str, _Tensor]:
    """The tensors of a dict, or of the state dict that a checkpoint holds among other things."""
    if not isinstance(value, Mapping):
        raise UserError("it holds no dict of tensors; save a model's state_dict()")
    tensors = {name: x for name, x in value.items() if isinstance(x, _Tensor)}
    inner = (value[key] for key in _WRAPPERS if isinstance(value.get(key), Mapping))
    return tensors or _state_dict(next(inner, None))


def _arrays(
    tensors: Mapping[str, _Tensor], read: Callable[[str], bytes | memoryview], size: int
) -> dict[str, np.ndarray]:
    # Weights may be tied; many views of the same numbers are meant to fill the memory.
    if sum(math.prod(tensor.shape) for tensor in tensors.values()) > 4 * size:
        raise UserError("its tensors are larger than the file")
    return {name: _array(tensor, read(tensor.storage.key)) for name, tensor in tensors.items()}


def _array(tensor: _Tensor, buffer: bytes | memoryview) -> np.ndarray:
    (dtype, _, start, size), offset, shape, strides = tensor
    if any(type(n) is not int or n < 0 for n in (start, size, offset, *shape, *strides)):
        raise ValueError("a tensor with a negative size")
    last = offset + sum((n - 1) * step for n, step in zip(shape, strides, strict=True))
    if math.prod(shape) and last >= size:
        raise ValueError("a tensor that reaches beyond its numbers")
    numbers = np.frombuffer(buffer, dtype, size, start * dtype.itemsize)[offset:]
    steps = [step * dtype.itemsize for step in strides]
    return np.lib.stride_tricks.as_strided(numbers, shape, steps, writeable=False)


class _Machine:
    """Runs pickles that make tensors. What they name is compared with `_KNOWN`, never looked up."""

    def __init__(self) -> None:
        self.itemsizes: dict[str, int] = {}  # of the storages that were named

    def run(self, stream: io.BytesIO) -> Any:
        """The value of the pickle at the stream's position, which is moved past it."""
        self.stack: list[Any] = []
        self.marks: list[int] = []
        memory: dict[Any, Any] = {}
        for opcode, argument, _ in pickletools.genops(stream):
            match opcode.name:
                case "PROTO" | "FRAME":
                    pass
                case "STOP":
                    return self.stack.pop()
                case "BINPUT" | "LONG_BINPUT":
                    memory[argument] = self.stack[-1]
                case "MEMOIZE":
                    memory[len(memory)] = self.stack[-1]
                case "BINGET" | "LONG_BINGET":
                    self.stack.append(memory[argument])
                case "MARK":
                    self.marks.append(len(self.stack))
                case "GLOBAL":
                    self.stack.append(_known(*str(argument).split(" ", 1)))
                case name if name in _LITERALS:
                    self.stack.append(argument)
                case name if name in _FIXED:
                    self.stack.append(_FIXED[name]())
                case name if name in _ACTIONS:
                    _ACTIONS[name](self)
                case name:
                    raise UserError(f"its pickle has {name}, which no state dict takes")
        raise ValueError("a pickle without an end")

    def pop(self, n: int) -> list[Any]:
        """The last n values, taken off the stack."""
        values = self.stack[len(self.stack) - n :]
        del self.stack[len(self.stack) - n :]
        return values

    def pop_mark(self) -> list[Any]:
        """The values since the last mark."""
        return self.pop(len(self.stack) - self.marks.pop())

    def tuple_of(self, n: int) -> None:
        self.stack.append(tuple(self.pop(n)))

    def tuple_since_mark(self) -> None:
        self.stack.append(tuple(self.pop_mark()))

    def append(self, values: list[Any]) -> None:
        self.stack[-1].extend(values)

    def set_items(self, values: list[Any]) -> None:
        for key, value in zip(values[::2], values[1::2], strict=True):
            if not isinstance(key, str | int):  # what else there is may take long to hash
                raise ValueError("a key that is no name")
            self.stack[-1][key] = value

    def stack_global(self) -> None:
        self.stack.append(_known(*self.pop(2)))

    def call(self) -> None:
        """The only calls there are."""
        function, arguments = self.pop(2)
        if function == _DICT:
            self.stack.append({})
            self.set_items([x for pair in (arguments or [()])[0] for x in pair])
        elif function == _SIZE:
            self.stack.append(tuple(arguments[0]))
        elif function == _PARAMETER:
            self.stack.append(arguments[0])
        elif function in _TENSORS:
            storage, offset, shape, strides = arguments[:4]
            if not isinstance(storage, _Storage):
                raise ValueError("a tensor of no storage")
            self.stack.append(_Tensor(storage, offset, tuple(shape), tuple(strides)))
        else:
            raise ValueError("a call of what is no function")

    def storage(self) -> None:
        """A storage, by its type, key, device and count; the older layout adds a view of it."""
        (persistent,) = self.pop(1)
        kind, of, key, _, count, *view = persistent
        if kind != "storage" or not isinstance(key, str):
            raise ValueError("a persistent value that is no storage")
        dtype = _STORAGES[of]
        self.itemsizes[key] = dtype.itemsize
        start = 0
        if view and view[0]:
            _, start, count = view[0]
        self.stack.append(_Storage(dtype, key, start, count))


def _known(module: str, name: str) -> tuple[str, str]:
    if (module, name) not in _KNOWN:
        raise UserError(
            f"it asks for {f'{module}.{name}'[:99]!a}, and only tensors are read from a pickle; if "
            f"you trust it, load it in torch and save model.state_dict() alone"
        )
    return module, name


_LITERALS = {
    *("BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT"),
    *("BINUNICODE", "SHORT_BINUNICODE", "BINSTRING", "SHORT_BINSTRING"),
}
_FIXED: dict[str, Callable[[], Any]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_DICT": dict,
    "EMPTY_LIST": list,
    "EMPTY_TUPLE": tuple,
}
_ACTIONS: dict[str, Callable[[_Machine], Any]] = {
    "TUPLE": _Machine.tuple_since_mark,
    "TUPLE1": lambda machine: machine.tuple_of(1),
    "TUPLE2": lambda machine: machine.tuple_of(2),
    "TUPLE3": lambda machine: machine.tuple_of(3),
    "APPEND": lambda machine: machine.append(machine.pop(1)),
    "APPENDS": lambda machine: machine.append(machine.pop_mark()),
    "SETITEM": lambda machine: machine.set_items(machine.pop(2)),
    "SETITEMS": lambda machine: machine.set_items(machine.pop_mark()),
    "STACK_GLOBAL": _Machine.stack_global,
    "REDUCE": _Machine.call,
    "BINPERSID": _Machine.storage,
    "BUILD": lambda machine: machine.pop(1),  # attributes of a dict: the versions of its modules
}
