"""Files of weights -> {name: array}, without the libraries that wrote them.

safetensors, numpy's .npz, both layouts of torch, and dlib's networks. What a file says of itself
is checked before anything is allocated for it, and no code in it is run.
"""

import io
import json
import math
import zipfile
from pathlib import Path

import jax.numpy as jnp
import numpy as np

from agejax.errors import UserError
from agejax.runtime.dlib_files import is_dlib, read_dlib
from agejax.runtime.torch_files import read_legacy, read_zip

Arrays = dict[str, np.ndarray]

_MAX_HEADER = 100 << 20  # bytes; the limit of safetensors itself
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
    data = Path(path).read_bytes()
    try:
        arrays = {name: _to_float32(x) for name, x in _read(data).items()}
    except UserError as error:
        raise UserError(f"{path}: {error}") from error
    except Exception as error:  # whatever a parser raises on bytes that somebody else made up
        reason = f"{type(error).__name__}: {error}"[:200]
        raise UserError(f"{path} is broken, fetch it again ({reason})") from error
    if not arrays:
        raise UserError(f"{path}: there are no arrays in it")
    if all(name.startswith("module.") for name in arrays):
        arrays = {name.removeprefix("module."): x for name, x in arrays.items()}
    return arrays


def _to_float32(x: np.ndarray) -> np.ndarray:
    is_float = x.dtype.kind == "f" or x.dtype == jnp.bfloat16
    return np.asarray(x, np.float32) if is_float else x


def _read(data: bytes) -> Arrays:
    if data[:2] == b"PK":
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            is_torch = any(name.endswith("/data.pkl") for name in archive.namelist())
            return read_zip(archive) if is_torch else _read_npz(archive)
    if data[:1] == b"\x80":  # how a pickle begins
        return read_legacy(data)
    if data[8:9] == b"{":
        return _read_safetensors(data)
    if is_dlib(data):
        return read_dlib(data)
    if data[257:262] == b"ustar":
        raise UserError("a file of a torch before 0.2; load and save it with a newer one")
    raise UserError("it is no safetensors, .npz, torch or dlib file, from which weights are read")


def _read_safetensors(data: bytes) -> Arrays:
    """The header's length in 8 bytes, the header in JSON, and the arrays one after the other."""
    length = int.from_bytes(data[:8], "little")
    if length > min(len(data) - 8, _MAX_HEADER):
        raise ValueError(f"a header of {length} bytes")
    header = json.loads(data[8 : 8 + length])
    body = memoryview(data)[8 + length :]
    arrays = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        shape, (start, end) = entry["shape"], entry["data_offsets"]
        dtype = np.dtype(_SAFETENSORS[entry["dtype"]])
        if any(type(n) is not int or n < 0 for n in (*shape, start, end)) or end > len(body):
            raise ValueError(f"{name} lies outside of the file")
        if end - start != math.prod(shape) * dtype.itemsize:
            raise ValueError(f"{name} has another size than its shape")
        arrays[name] = np.frombuffer(body[start:end], dtype).reshape(shape)
    return arrays


def _read_npz(archive: zipfile.ZipFile) -> Arrays:
    """numpy's own reader allocates what a header claims; here the claim is compared first."""
    arrays = {}
    for info in archive.infolist():
        if info.file_size > 16 * max(info.compress_size, 1024):
            raise UserError(f"{info.filename} unpacks to {info.file_size:,} bytes; weights do not")
        member = archive.read(info)
        stream = io.BytesIO(member)
        headers = np.lib.format
        version = headers.read_magic(stream)
        read = {(1, 0): headers.read_array_header_1_0, (2, 0): headers.read_array_header_2_0}
        shape, fortran, dtype = read[version](stream)
        if dtype.kind not in "fiub":
            raise UserError(f"{info.filename} is of dtype {dtype}, from which no weights are read")
        if math.prod(shape) * dtype.itemsize != len(member) - stream.tell():
            raise ValueError(f"{info.filename} has another size than its shape")
        flat = np.frombuffer(member, dtype, offset=stream.tell())
        arrays[info.filename.removesuffix(".npy")] = flat.reshape(
            shape, order="F" if fortran else "C"
        )
    return arrays
