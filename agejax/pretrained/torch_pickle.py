"""Interprets torch's pickles without torch and without running code in them.

A pickle is a program that may call anything, so it is not passed to `pickle`. The few instructions
that a state dict needs are interpreted here, and the only supported calls are those that create a
dict or a tensor; any other is rejected by name.

A few bytes of pickle can build a value that takes forever to hash, copy or print: a tuple that
contains the previous tuple twice, repeatedly. Therefore no value from a pickle is hashed, compared,
copied or printed before its type and length are known, and instructions are counted.
"""

import io
import pickletools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from agejax.errors import UserError

_DTYPES = {
    **{"Double": "<f8", "Float": "<f4", "Half": "<f2", "BFloat16": jnp.bfloat16},
    **{"Long": "<i8", "Int": "<i4", "Short": "<i2", "Char": "i1", "Byte": "u1", "Bool": "?"},
}
_MOST = 1_000_000  # limit of instructions and of items in calls; a large checkpoint has 100,000
_LONGEST = 32  # limit of dimensions of a shape


class _Global(NamedTuple):
    """A supported global name in a pickle; only `_known` creates these."""

    module: str
    name: str


_STORAGES = {_Global("torch", f"{name}Storage"): np.dtype(of) for name, of in _DTYPES.items()}
_DICT, _SIZE = _Global("collections", "OrderedDict"), _Global("torch", "Size")
_PARAMETER = _Global("torch._utils", "_rebuild_parameter")
_TENSORS = {_Global("torch._utils", f"_rebuild_tensor{version}") for version in ("", "_v2")}
_KNOWN = {_DICT, _SIZE, _PARAMETER, *_TENSORS, *_STORAGES}


class Storage(NamedTuple):
    """A contiguous range of numbers in the file."""

    dtype: np.dtype
    key: str
    start: int
    size: int


class Tensor(NamedTuple):
    """A view of a storage; offset and strides count its elements."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


class Machine:
    """Runs pickles of tensors. Names in them are compared with `_KNOWN`, never looked up."""

    def __init__(self) -> None:
        self.itemsizes: dict[str, int] = {}  # of the storages seen so far
        self.left = _MOST

    def count(self, n: int = 1) -> None:
        """Counts work on n items."""
        self.left -= n
        if self.left < 0:
            raise UserError("its pickle is longer than that of any network")

    def run(self, stream: io.BytesIO) -> Any:
        """The value of the pickle at the stream's position, which is moved past it."""
        self.stack: list[Any] = []
        self.marks: list[int] = []
        memory: dict[Any, Any] = {}
        for opcode, argument, _ in pickletools.genops(stream):
            self.count()
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
                    self.stack.append(_known(str(argument).split(" ", 1)))
                case name if name in _LITERALS:
                    self.stack.append(argument)
                case name if name in _FIXED:
                    self.stack.append(_FIXED[name]())
                case name if name in _ACTIONS:
                    _ACTIONS[name](self)
                case name:
                    raise UserError(f"its pickle has {name}, which no state dict uses")
        raise ValueError("a pickle without an end")

    def pop(self, n: int) -> list[Any]:
        """Removes and returns the last n values of the stack."""
        values = self.stack[len(self.stack) - n :]
        del self.stack[len(self.stack) - n :]
        return values

    def pop_mark(self) -> list[Any]:
        """The values since the last mark."""
        return self.pop(len(self.stack) - self.marks.pop())

    def tuple_of(self, n: int) -> None:
        """Puts the last n values into a tuple."""
        self.stack.append(tuple(self.pop(n)))

    def tuple_since_mark(self) -> None:
        """Puts the values since the last mark into a tuple."""
        self.stack.append(tuple(self.pop_mark()))

    def append(self, values: list[Any]) -> None:
        """Adds values to the list on top of the stack."""
        self.stack[-1].extend(values)

    def set_items(self, values: list[Any]) -> None:
        """Adds keys and values, in turn, to the dict on top of the stack."""
        if not isinstance(self.stack[-1], dict):
            raise ValueError("items of a value that is not a dict")
        for key, value in zip(values[::2], values[1::2], strict=True):
            # Other types may be slow to hash, and many large integers share the same hash.
            if not isinstance(key, str) and not (type(key) is int and abs(key) < 2**31):
                raise ValueError("a key that is not a string")
            self.stack[-1][key] = value

    def stack_global(self) -> None:
        """A global, from the module and name on top of the stack."""
        self.stack.append(_known(self.pop(2)))

    def call(self) -> None:
        """The only supported calls."""
        function, arguments = self.pop(2)
        if not isinstance(function, _Global) or not isinstance(arguments, tuple):
            raise ValueError("a call of a value that is not a function")
        if function == _DICT:
            self.stack.append({})
            self.set_items(self.items_of(arguments[0] if arguments else ()))
        elif function == _SIZE:
            self.stack.append(_sides(arguments[0]))
        elif function == _PARAMETER:
            self.stack.append(arguments[0])
        elif function in _TENSORS:
            storage, offset, shape, strides = arguments[:4]
            if not isinstance(storage, Storage):
                raise ValueError("a tensor without a storage")
            self.stack.append(Tensor(storage, offset, _sides(shape), _sides(strides)))
        else:
            raise ValueError("a call of a value that is not a function")

    def items_of(self, pairs: Any) -> list[Any]:
        """Alternating keys and values, from pairs."""
        if not isinstance(pairs, list | tuple):
            raise ValueError("a dict of values that are not pairs")
        self.count(len(pairs))
        if not all(isinstance(pair, list | tuple) and len(pair) == 2 for pair in pairs):
            raise ValueError("a dict of values that are not pairs")
        return [x for pair in pairs for x in pair]

    def storage(self) -> None:
        """A storage, from its type, key, device and count; the older layout adds a view of it."""
        (persistent,) = self.pop(1)
        if not isinstance(persistent, tuple) or len(persistent) not in (5, 6):
            raise ValueError("a persistent value that is not a storage")
        kind, of, key, _, count, *view = persistent
        if not isinstance(kind, str) or kind != "storage" or not isinstance(key, str):
            raise ValueError("a persistent value that is not a storage")
        if not isinstance(of, _Global) or of not in _STORAGES:
            raise ValueError("a storage of a value that is not a numeric type")
        if type(count) is not int:
            raise ValueError("a storage without a size")
        dtype = _STORAGES[of]
        self.itemsizes[key] = dtype.itemsize
        start = 0
        if view and view[0]:
            _, start, count = view[0]
        self.stack.append(Storage(dtype, key, start, count))


def _sides(value: Any) -> tuple[Any, ...]:
    """A shape or strides; whether the numbers are valid is checked later."""
    if not isinstance(value, list | tuple) or len(value) > _LONGEST:
        raise ValueError("a tensor of an invalid shape")
    return tuple(value)


def _known(named: list[Any]) -> _Global:
    if len(named) != 2 or not all(isinstance(part, str) for part in named):
        raise ValueError("an invalid name")
    found = _Global(*named)
    if found not in _KNOWN:
        raise UserError(
            f"it refers to {'.'.join(named)[:99]!a}, but only tensors are read from a pickle; if "
            f"you trust it, load it in torch and save only model.state_dict()"
        )
    return found


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
_ACTIONS: dict[str, Callable[[Machine], Any]] = {
    "TUPLE": Machine.tuple_since_mark,
    "TUPLE1": lambda machine: machine.tuple_of(1),
    "TUPLE2": lambda machine: machine.tuple_of(2),
    "TUPLE3": lambda machine: machine.tuple_of(3),
    "APPEND": lambda machine: machine.append(machine.pop(1)),
    "APPENDS": lambda machine: machine.append(machine.pop_mark()),
    "SETITEM": lambda machine: machine.set_items(machine.pop(2)),
    "SETITEMS": lambda machine: machine.set_items(machine.pop_mark()),
    "STACK_GLOBAL": Machine.stack_global,
    "REDUCE": Machine.call,
    "BINPERSID": Machine.storage,
    "BUILD": lambda machine: machine.pop(1),  # attributes of a dict: the versions of its modules
}
