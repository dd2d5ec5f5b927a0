"""Reads weight files as {name: array}, without the libraries that wrote them.

Supports safetensors, numpy's .npz, both layouts of torch, and dlib's networks. The sizes that a
file declares are checked before anything is allocated, and no code in it is run. Time and memory
are bounded by the size of the file, even for a malicious one.
"""

import io
import zipfile
from pathlib import Path
from typing import TypeVar

import jax.numpy as jnp
import numpy as np

from agejax.data.npz import read_archive
from agejax.errors import UserError, first_line
from agejax.pretrained.dlib import is_dlib, read_dlib
from agejax.pretrained.safetensors_format import MOST_ARRAYS, arrays_of, header_length, parse
from agejax.pretrained.torch_files import read_legacy, read_zip

Arrays = dict[str, np.ndarray]
_T = TypeVar("_T")

_LONGEST_NAME = 1000  # characters
_NPZ_RATIO, _NPZ_SPARE = 16, 1 << 20  # limits of an unpacked .npz: ratio to its size; bytes


def read_weights(path: str | Path) -> Arrays:
    """The arrays of a file, whose format is detected by content rather than suffix.

    Floating-point arrays are converted to float32, others are unchanged. The "state_dict" or
    "model" entry of a torch checkpoint is used, and DataParallel's prefix "module." is removed. The
    arrays are read-only.

    Raises:
      UserError: the file has no supported format, is damaged, or would run code.
      OSError: it cannot be opened.
    """
    if not (path := Path(path)).is_file() and path.exists():  # a device or a pipe may never end
        raise UserError(f"{path}: not a file")
    data = path.read_bytes()
    try:
        arrays = {_name(name): _to_float32(x) for name, x in _few(_read(data)).items()}
    except UserError as error:
        raise UserError(f"{path}: {error}") from error
    except Exception as error:  # parsers raise many kinds of errors on malicious bytes
        reason = f"{type(error).__name__}: {first_line(error)}"
        raise UserError(f"{path} is damaged, download it again ({reason})") from error
    if not arrays:
        raise UserError(f"{path}: it contains no arrays")
    if all(name.startswith("module.") for name in arrays):
        arrays = {name.removeprefix("module."): x for name, x in arrays.items()}
    return arrays


def _few(arrays: dict[str, _T]) -> dict[str, _T]:
    if len(arrays) > MOST_ARRAYS:
        raise UserError(f"it holds {len(arrays):,} arrays, more than any network has")
    return arrays


def _name(name: str) -> str:
    """An array's name, which may be printed."""
    if len(name) > _LONGEST_NAME or not name.isprintable():
        raise UserError(f"an array has the invalid name {name[:60]!a}")
    return name


def _to_float32(x: np.ndarray) -> np.ndarray:
    is_float = x.dtype.kind == "f" or x.dtype == jnp.bfloat16
    return np.asarray(x, np.float32) if is_float else x


def _read(data: bytes) -> Arrays:
    # First, since a header's length may start like another format, but never the other way round.
    if (length := header_length(data[:9], len(data))) is not None:
        body = memoryview(data)[8 + length :]
        return arrays_of(parse(data[8 : 8 + length], len(body)), body)
    if data[:2] == b"PK":
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            if any(name.endswith("/data.pkl") for name in archive.namelist()):
                return read_zip(archive, len(data))
            most = max(_NPZ_RATIO * len(data), _NPZ_SPARE)
            return read_archive(archive, most, kinds="fiub")
    if data[:1] == b"\x80":  # the start of a pickle
        return read_legacy(data)
    if is_dlib(data):
        return read_dlib(data)
    if data[257:262] == b"ustar":
        raise UserError("a file from torch before 0.2; load and save it with a newer version")
    if data[8:9] == b"{":
        raise ValueError(f"a header of {int.from_bytes(data[:8], 'little')} bytes")
    raise UserError("it is not a safetensors, .npz, torch or dlib file")
