"""Reads NumPy's .npz files with bounded memory.

`np.load` trusts a member's header and unpacks whatever it contains: a few kilobytes can claim the
memory of the whole machine. Here all claimed sizes are checked before anything is allocated.
"""

import io
import math
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

_RATIO = 64  # largest ratio of unpacked to packed size: UCS-4 text compresses well
_SPARE = 256 << 20  # allowed for any file, in bytes: constant columns compress even better
_MOST_DIMENSIONS = 32
_READERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


def read_npz(file: Path) -> dict[str, np.ndarray]:
    """The arrays of a file of numbers and strings.

    Raises:
      OSError: it cannot be opened.
      Exception: of any type, if it is damaged, holds objects, or unpacks to more than 64 times
        its size and 256 MiB.
    """
    most = max(_RATIO * file.stat().st_size, _SPARE)
    with zipfile.ZipFile(file) as archive:
        return {name: x.copy() for name, x in read_archive(archive, most).items()}


def read_archive(
    archive: zipfile.ZipFile, most: int, kinds: str = "fiubUS"
) -> dict[str, np.ndarray]:
    """Like `read_npz`, for an opened archive; the arrays are read-only.

    Args:
      archive: all its members must be `.npy` files.
      most: largest unpacked size in bytes.
      kinds: dtype kinds that are accepted.
    """
    check_sizes(archive, most)
    return {
        info.filename.removesuffix(".npy"): _array(info.filename, unpack(archive, info), kinds)
        for info in archive.infolist()
    }


def check_sizes(archive: zipfile.ZipFile, most: int) -> None:
    """Raises `ValueError` if the members of an archive claim more than `most` bytes."""
    if (claimed := sum(info.file_size for info in archive.infolist())) > most:
        raise ValueError(f"it claims to unpack to {claimed:,} bytes, too many for its size")


def unpack(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    """Unpacks a member of an archive, and no more bytes than the archive declares."""
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ValueError(f"{info.filename} uses a compression that NumPy does not use")
    with archive.open(info) as opened:  # `archive.read` would unpack everything before checking
        data = opened.read(info.file_size)
        if len(data) != info.file_size or opened.read(1):
            raise ValueError(f"{info.filename} does not have the size that the archive declares")
    return data


def elements(shape: Sequence[Any]) -> int:
    """The number of elements of an untrusted array shape.

    Raises:
      ValueError: not a valid shape: not non-negative integers, or too many of them.
    """
    if not isinstance(shape, tuple | list) or len(shape) > _MOST_DIMENSIONS:
        raise ValueError("an array whose shape is not valid")
    if any(type(n) is not int or not 0 <= n < 2**63 for n in shape):
        raise ValueError("an array whose shape has invalid numbers")
    return math.prod(shape)


def _array(name: str, member: bytes, kinds: str) -> np.ndarray:
    stream = io.BytesIO(member)
    shape, fortran, dtype = _READERS[np.lib.format.read_magic(stream)](stream)
    if dtype.kind not in kinds:
        raise ValueError(f"{name} is of dtype {dtype}, which is not supported")
    if elements(shape) * dtype.itemsize != len(member) - stream.tell():
        raise ValueError(f"{name} does not have the size of its shape")
    if not dtype.itemsize and elements(shape):  # any number of these takes no space
        raise ValueError(f"{name} holds strings of length 0")
    order: Literal["F", "C"] = "F" if fortran else "C"
    if not elements(shape):
        return np.zeros(shape, dtype, order)
    return np.frombuffer(member, dtype, offset=stream.tell()).reshape(shape, order=order)
