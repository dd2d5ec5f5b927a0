"""Files of weights -> {name: array}, without the libraries that wrote them.

safetensors, numpy's .npz, both layouts of torch, and dlib's networks. What a file says of itself
is checked before anything is allocated for it, and no code in it is run. The time and the memory
that a file takes are bounded by its size, whoever made it.
"""

import io
import itertools
import json
import zipfile
from pathlib import Path
from typing import TypeVar

import jax.numpy as jnp
import numpy as np

from agejax.data.npz import elements, read_archive
from agejax.errors import UserError, first_line
from agejax.pretrained.dlib import is_dlib, read_dlib
from agejax.pretrained.torch_files import read_legacy, read_zip

Arrays = dict[str, np.ndarray]
_T = TypeVar("_T")

_MAX_HEADER = 100 << 20  # bytes; the limit of safetensors itself
_MOST_ARRAYS = 100_000
_LONGEST_NAME = 1000  # letters
_NPZ_RATIO, _NPZ_SPARE = 16, 1 << 20  # what an .npz may unpack to: parts of its size, or bytes
_SAFETENSORS = {
    **{"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": jnp.bfloat16, "BOOL": "?"},
    **{"I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "i1"},
    **{"U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "u1"},
}


def read_weights(path: str | Path) -> Arrays:
    """The arrays of a file, whose kind is told by its content and not by its suffix.

    Floating-point arrays come as float32, others as they are. A torch checkpoint's "state_dict" or
    "model" is taken out of it, and the "module." that DataParallel puts before every name is left
    out. The arrays are not to be written to.

    Raises:
      UserError: the file is of no such kind, is broken, or asks for code to be run.
      OSError: it cannot be opened.
    """
    if not (path := Path(path)).is_file() and path.exists():  # a device or a pipe may never end
        raise UserError(f"{path}: no file")
    data = path.read_bytes()
    try:
        arrays = {_name(name): _to_float32(x) for name, x in _few(_read(data)).items()}
    except UserError as error:
        raise UserError(f"{path}: {error}") from error
    except Exception as error:  # whatever a parser raises on bytes that somebody else made up
        reason = f"{type(error).__name__}: {first_line(error)}"
        raise UserError(f"{path} is broken, fetch it again ({reason})") from error
    if not arrays:
        raise UserError(f"{path}: there are no arrays in it")
    if all(name.startswith("module.") for name in arrays):
        arrays = {name.removeprefix("module."): x for name, x in arrays.items()}
    return arrays


def _few(arrays: dict[str, _T]) -> dict[str, _T]:
    if len(arrays) > _MOST_ARRAYS:
        raise UserError(f"it holds {len(arrays):,} arrays, more than any network has")
    return arrays


def _name(name: str) -> str:
    """An array's name, which will be printed."""
    if len(name) > _LONGEST_NAME or not name.isprintable():
        raise UserError(f"an array is called {name[:60]!a}, which is no name of one")
    return name


def _to_float32(x: np.ndarray) -> np.ndarray:
    is_float = x.dtype.kind == "f" or x.dtype == jnp.bfloat16
    return np.asarray(x, np.float32) if is_float else x


def _read(data: bytes) -> Arrays:
    # First, as a header's length may begin as the others do. None of these gives one that fits.
    length = int.from_bytes(data[:8], "little")
    if data[8:9] == b"{" and length <= min(len(data) - 8, _MAX_HEADER):
        return _read_safetensors(data, length)
    if data[:2] == b"PK":
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            if any(name.endswith("/data.pkl") for name in archive.namelist()):
                return read_zip(archive, len(data))
            most = max(_NPZ_RATIO * len(data), _NPZ_SPARE)
            return read_archive(archive, most, kinds="fiub")
    if data[:1] == b"\x80":  # how a pickle begins
        return read_legacy(data)
    if is_dlib(data):
        return read_dlib(data)
    if data[257:262] == b"ustar":
        raise UserError("a file of a torch before 0.2; load and save it with a newer one")
    if data[8:9] == b"{":
        raise ValueError(f"a header of {length} bytes")
    raise UserError("it is no safetensors, .npz, torch or dlib file, from which weights are read")


def _read_safetensors(data: bytes, length: int) -> Arrays:
    """The header's length in 8 bytes, the header in JSON, and the arrays one after the other."""
    header = json.loads(data[8 : 8 + length])
    header.pop("__metadata__", None)
    body = memoryview(data)[8 + length :]
    arrays, places = {}, []
    for name, entry in _few(header).items():
        shape, (start, end) = entry["shape"], entry["data_offsets"]
        dtype = np.dtype(_SAFETENSORS[entry["dtype"]])
        if any(type(n) is not int or n < 0 for n in (start, end)) or end > len(body):
            raise ValueError(f"{name} lies outside of the file")
        if end - start != elements(shape) * dtype.itemsize:
            raise ValueError(f"{name} has another size than its shape")
        arrays[name] = np.frombuffer(body[start:end], dtype).reshape(shape)
        places.append((start, end))
    places.sort()
    if any(start < end for (_, end), (start, _) in itertools.pairwise(places)):
        raise ValueError("its arrays overlap, and each is to have bytes of its own")
    return arrays
