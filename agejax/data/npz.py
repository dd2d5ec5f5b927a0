"""NumPy's .npz files, read with no more memory than their size allows.

`np.load` takes a member's header at its word and unpacks whatever is in it: some kilobytes can ask
for the memory of the whole machine. Here all claims are compared with what is there first.
"""

import io
import math
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

_RATIO = 64  # what a file may unpack to, in parts of its own size: four bytes a letter pack well
_SPARE = 256 << 20  # bytes that any file may unpack to: columns of one value pack even better
_MOST_DIMENSIONS = 32
_READERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


def read_npz(file: Path) -> dict[str, np.ndarray]:
    """The arrays of a file of numbers and words.

    Raises:
      OSError: it cannot be opened.
      Exception: of any kind, where it is damaged, holds objects, or unpacks to more than 64 times
        its size and 256 MiB.
    """
    most = max(_RATIO * file.stat().st_size, _SPARE)
    with zipfile.ZipFile(file) as archive:
        return {name: x.copy() for name, x in read_archive(archive, most).items()}


def read_archive(
    archive: zipfile.ZipFile, most: int, kinds: str = "fiubUS"
) -> dict[str, np.ndarray]:
    """As `read_npz`, of an opened archive; the arrays are not to be written to.

    Args:
      archive: whose members are all `.npy` files.
      most: bytes that it may unpack to.
      kinds: of dtypes that are read.
    """
    check_sizes(archive, most)
    return {
        info.filename.removesuffix(".npy"): _array(info.filename, unpack(archive, info), kinds)
        for info in archive.infolist()
    }


def check_sizes(archive: zipfile.ZipFile, most: int) -> None:
    """Raises a `ValueError` where the members of an archive claim more than `most` bytes."""
    if (claimed := sum(info.file_size for info in archive.infolist())) > most:
        raise ValueError(f"it unpacks to {claimed:,} bytes; arrays do not")


def unpack(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    """A member of an archive, of which no more is unpacked than the archive says."""
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ValueError(f"{info.filename} is packed in a way that NumPy does not use")
    with archive.open(info) as opened:  # `archive.read` would unpack all of it and then look
        data = opened.read(info.file_size)
        if len(data) != info.file_size or opened.read(1):
            raise ValueError(f"{info.filename} has another size than the archive says")
    return data


def elements(shape: Sequence[Any]) -> int:
    """How many numbers an array of a shape holds that somebody else made up.

    Raises:
      ValueError: it is no shape: not whole numbers from 0 on, or more of them than an array has.
    """
    if not isinstance(shape, tuple | list) or len(shape) > _MOST_DIMENSIONS:
        raise ValueError("an array of a shape that there is not")
    if any(type(n) is not int or not 0 <= n < 2**63 for n in shape):
        raise ValueError("an array of a shape with numbers that no side has")
    return math.prod(shape)


def _array(name: str, member: bytes, kinds: str) -> np.ndarray:
    stream = io.BytesIO(member)
    shape, fortran, dtype = _READERS[np.lib.format.read_magic(stream)](stream)
    if dtype.kind not in kinds:
        raise ValueError(f"{name} is of dtype {dtype}, which is not read")
    if elements(shape) * dtype.itemsize != len(member) - stream.tell():
        raise ValueError(f"{name} has another size than its shape")
    if not dtype.itemsize and elements(shape):  # of which there can be any number in no space
        raise ValueError(f"{name} holds words without a letter")
    order: Literal["F", "C"] = "F" if fortran else "C"
    if not elements(shape):
        return np.zeros(shape, dtype, order)
    return np.frombuffer(member, dtype, offset=stream.tell()).reshape(shape, order=order)
