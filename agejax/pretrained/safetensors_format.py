"""The format of safetensors: a JSON header with names, shapes and texts, then the arrays' bytes."""

import itertools
import json
from collections.abc import Mapping
from typing import IO, Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from agejax.data.npz import elements
from agejax.errors import UserError

MAX_HEADER = 100 << 20  # bytes; the limit of safetensors itself
MOST_ARRAYS = 100_000
_ALIGNED = 64  # bytes, so that the arrays start where any dtype may
_METADATA = "__metadata__"
_DTYPES = {
    **{"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": jnp.bfloat16, "BOOL": "?"},
    **{"I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "i1"},
    **{"U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "u1"},
}


class Entry(NamedTuple):
    """One array of a file: its dtype and shape, and where its bytes start and end."""

    dtype: np.dtype
    shape: tuple[int, ...]
    start: int
    end: int


class Header(NamedTuple):
    """What a file says of itself.

    Attributes:
      entries: {name: Entry}.
      metadata: texts by their names, which the file may have anything in.
      size: bytes of all arrays.
    """

    entries: dict[str, Entry]
    metadata: dict[str, Any]
    size: int


def header_length(start: bytes, size: int) -> int | None:
    """The length of the header of a file of `size` bytes, by its first 9; None of other formats."""
    length = int.from_bytes(start[:8], "little")
    return length if start[8:9] == b"{" and length <= min(size - 8, MAX_HEADER) else None


def parse(header: bytes, size: int) -> Header:
    """The contents of a header whose arrays take `size` bytes.

    Raises:
      ValueError, LookupError, TypeError, AttributeError, RecursionError: it is damaged.
      UserError: it names more arrays than any network has.
    """
    loaded = json.loads(header)
    metadata = loaded.pop(_METADATA, None) or {}
    if len(loaded) > MOST_ARRAYS:
        raise UserError(f"it holds {len(loaded):,} arrays, more than any network has")
    entries = {name: _entry(name, entry, size) for name, entry in loaded.items()}
    places = sorted((entry.start, entry.end) for entry in entries.values())
    if any(start < end for (_, end), (start, _) in itertools.pairwise(places)):
        raise ValueError("its arrays overlap")
    return Header(entries, metadata, size)


def _entry(name: str, entry: Mapping[str, Any], size: int) -> Entry:
    shape, (start, end) = entry["shape"], entry["data_offsets"]
    dtype = np.dtype(_DTYPES[entry["dtype"]])
    if any(type(n) is not int or n < 0 for n in (start, end)) or end > size:
        raise ValueError(f"{name} is outside of the file")
    if end - start != elements(shape) * dtype.itemsize:
        raise ValueError(f"{name} does not have the size of its shape")
    return Entry(dtype, tuple(shape), start, end)


def arrays_of(header: Header, body: bytes | memoryview) -> dict[str, np.ndarray]:
    """The arrays in the bytes after the header, read-only and without a copy."""
    view = memoryview(body)
    return {
        name: np.frombuffer(view[e.start : e.end], e.dtype).reshape(e.shape)
        for name, e in header.entries.items()
    }


def write(file: IO[bytes], arrays: Mapping[str, np.ndarray], metadata: Mapping[str, str]) -> None:
    """Writes arrays one after the other, in order of their names.

    Args:
      file: open for writing bytes.
      arrays: {name: array} of any dtype of NumPy that the format has.
      metadata: texts.
    """
    header: dict[str, Any] = {_METADATA: dict(metadata)} if metadata else {}
    at, names = 0, sorted(arrays)
    for name in names:
        x = arrays[name]
        header[name] = {
            "dtype": _CODES[x.dtype],
            "shape": list(x.shape),
            "data_offsets": [at, at + x.nbytes],
        }
        at += x.nbytes
    text = json.dumps(header).encode()
    text += b" " * (-(8 + len(text)) % _ALIGNED)
    file.write(len(text).to_bytes(8, "little") + text)
    for name in names:
        file.write(np.ascontiguousarray(arrays[name]).tobytes())


_CODES = {np.dtype(dtype): code for code, dtype in _DTYPES.items()}
