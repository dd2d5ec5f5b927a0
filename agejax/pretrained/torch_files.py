"""Reads torch's own files without torch and without running code in them.

Both layouts are supported: the zip archive (torch 1.6 on) and the older sequence of pickles.
"""

import functools
import io
import zipfile
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from agejax.data.npz import check_sizes, elements, unpack
from agejax.errors import UserError
from agejax.pretrained.torch_pickle import Machine, Tensor

_MAGIC = 0x1950A86A20F9469CFC6C  # the start of the older layout
_WRAPPERS = ("state_dict", "model_state_dict", "model_state", "model", "module")
_NESTED = 4  # limit of nested wrappers
_MOST_TENSORS = 100_000


def read_zip(archive: zipfile.ZipFile, size: int) -> dict[str, np.ndarray]:
    """The tensors of a file of `size` bytes in the newer layout.

    Raises:
      UserError: the file would run code, or contains no dict of tensors.
      Exception: of any type, if it is damaged.
    """
    (program,) = (name for name in archive.namelist() if name.endswith("/data.pkl"))
    folder = program.removesuffix("data.pkl")
    if any(info.compress_type != zipfile.ZIP_STORED for info in archive.infolist()):
        raise UserError("its archive is compressed, which torch never does")
    check_sizes(archive, size)  # members may claim the same bytes
    member = lambda name: unpack(archive, archive.getinfo(folder + name))
    if f"{folder}byteorder" in archive.namelist():
        _check_byte_order(member("byteorder") == b"little")
    tensors = _state_dict(Machine().run(io.BytesIO(member("data.pkl"))))
    return _arrays(tensors, functools.cache(lambda key: member(f"data/{key}")), size)


def read_legacy(data: bytes) -> dict[str, np.ndarray]:
    """The tensors of a file in the older layout: consecutive pickles followed by the numbers.

    Raises:
      UserError: the file would run code, or contains no dict of tensors.
      Exception: of any type, if it is damaged.
    """
    stream, machine = io.BytesIO(data), Machine()
    magic = machine.run(stream)
    if type(magic) is not int or magic != _MAGIC:
        raise UserError("it is a pickle, but not torch's; save a state_dict() with torch.save")
    machine.run(stream)  # the version of the layout, always the same
    _check_byte_order(machine.run(stream)["little_endian"] is True)
    value, keys = machine.run(stream), machine.run(stream)
    buffers = {}
    for key in keys:
        if not isinstance(key, str):
            raise ValueError("a storage whose key is not a string")
        count = int.from_bytes(stream.read(8), "little")
        buffers[key] = memoryview(data)[stream.tell() :][: count * machine.itemsizes[key]]
        stream.seek(stream.tell() + len(buffers[key]))
    return _arrays(_state_dict(value), buffers.__getitem__, len(data))


def _check_byte_order(little: bool) -> None:
    if not little:
        raise UserError("it was written on a big-endian machine; save it again on another")


def _state_dict(value: Any) -> dict[str, Tensor]:
    """The tensors of a dict, or of the state dict within a checkpoint."""
    for _ in range(_NESTED):
        if not isinstance(value, dict):
            break
        tensors = {name: x for name, x in value.items() if isinstance(x, Tensor)}
        if not all(isinstance(name, str) for name in tensors):
            raise ValueError("a tensor without a name")
        if tensors:
            return tensors
        inner = (value[key] for key in _WRAPPERS if isinstance(value.get(key), dict))
        value = next(inner, None)
    raise UserError("it contains no dict of tensors; save a model's state_dict()")


def _arrays(
    tensors: Mapping[str, Tensor], read: Callable[[str], bytes | memoryview], size: int
) -> dict[str, np.ndarray]:
    if len(tensors) > _MOST_TENSORS:
        raise UserError(f"it contains {len(tensors):,} tensors, more than any network has")
    # Weights may be tied, but many views of the same numbers are an attempt to fill the memory.
    if sum(elements(tensor.shape) for tensor in tensors.values()) > size:
        raise UserError("its tensors are larger than the file")
    return {name: _array(tensor, read(tensor.storage.key)) for name, tensor in tensors.items()}


def _array(tensor: Tensor, buffer: bytes | memoryview) -> np.ndarray:
    (dtype, _, start, size), offset, shape, strides = tensor
    if any(type(n) is not int or not 0 <= n < 2**63 for n in (start, size, offset, *strides)):
        raise ValueError("a tensor with an invalid size")
    last = offset + sum((n - 1) * step for n, step in zip(shape, strides, strict=True))
    if elements(shape) and last >= size:
        raise ValueError("a tensor that extends beyond its storage")
    numbers = np.frombuffer(buffer, dtype, size, start * dtype.itemsize)[offset:]
    steps = [step * dtype.itemsize for step in strides]
    return np.lib.stride_tricks.as_strided(numbers, shape, steps, writeable=False)
