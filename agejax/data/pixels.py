"""Decoded pixels kept for later epochs, in memory or in a file, and for later runs."""

import fcntl
import hashlib
import os
import shutil
import stat
import weakref
from pathlib import Path

import numpy as np

from agejax.data.decode import PIXELS_VERSION
from agejax.data.faces import Faces
from agejax.errors import UserError
from agejax.files import no_link


class Pixels:
    """The pixels of those faces that were decoded before. Safe to use from threads."""

    def __init__(
        self, faces: Faces, size: int, *, cache_mib: int = 0, cache_dir: str | None = None
    ):
        """Room for all faces at `size` pixels a side, or for none.

        Args:
          faces: whose pixels; their order is that of the rows.
          size: pixels a side.
          cache_mib: they are kept in memory if all fit into this many MiB.
          cache_dir: a folder; they are kept in a file there instead, whatever their number. Once
            whole, it serves every later run that has the same faces and size.

        Raises:
          UserError: the folder cannot be written to, or its disk is too small.
        """
        shape = (len(faces), size, size, 3)
        self._pixels: np.ndarray | None = None
        self._there = np.zeros(len(faces), bool)
        self._file: _File | None = None
        if cache_dir is not None:
            self._file = _File(Path(cache_dir), _name(faces, size), shape)
            self._pixels = self._file.pixels
            self._there[:] = self._file.whole
        if self._pixels is None and np.prod(shape) <= cache_mib * 2**20:
            self._pixels = np.empty(shape, np.uint8)

    @property
    def kept(self) -> bool:
        """Whether there is room."""
        return self._pixels is not None

    def take(self, rows: np.ndarray, out: np.ndarray) -> np.ndarray:
        """Copies what is there of `rows`, int [n], to `out`, [n, size, size, 3].

        Returns:
          The places in `rows` of those that are not there.
        """
        there = self._there[rows]
        if self._pixels is not None and there.any():
            out[there] = self._pixels[rows[there]]
        return np.flatnonzero(~there)

    def put(self, rows: np.ndarray, pixels: np.ndarray) -> None:
        """Keeps the pixels of `rows`, if there is room."""
        if self._pixels is None:
            return
        self._pixels[rows] = pixels
        self._there[rows] = True
        if self._file is not None and self._there.all():
            self._file.finish()


class _File:
    """A memory-mapped .npy file that bears its name only once it is whole."""

    def __init__(self, folder: Path, name: str, shape: tuple[int, ...]):
        self._path, self._partial = folder / name, folder / f"{name}.partial"
        self.pixels: np.ndarray | None = None
        self.whole = False
        if self._path.exists():
            self.pixels, self.whole = _opened(self._path, shape), True
            return
        folder.mkdir(parents=True, exist_ok=True)
        lock = _opened_alone(self._partial)
        self.close = weakref.finalize(self, os.close, lock)  # which gives the lock back
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return  # another run fills it; this one goes without
        os.truncate(lock, 0)
        if int(np.prod(shape)) > (free := shutil.disk_usage(folder).free):
            self._partial.unlink()
            raise UserError(
                f"{folder}: {np.prod(shape) / 2**20:,.0f} MiB of pixels do not fit on the disk, "
                f"which has {free / 2**20:,.0f} MiB left; name another config.data.cache_dir"
            )
        self.pixels = _mapped(self._partial, lock, shape)

    def finish(self) -> None:
        if isinstance(self.pixels, np.memmap) and not self.whole:
            self.whole = True
            self.pixels.flush()
            self._partial.rename(self._path)


def _opened_alone(path: Path) -> int:
    """A descriptor of a file, made if need be, that is no other's under a second name.

    Raises:
      UserError: a link leads to another file, or it is none.
    """
    lock = no_link(str(path), os.O_RDWR | os.O_CREAT | os.O_NONBLOCK)
    found = os.fstat(lock)
    if not stat.S_ISREG(found.st_mode) or found.st_nlink != 1:
        os.close(lock)
        raise UserError(f"{path} is another file under a second name, or none; remove it")
    return lock


def _mapped(path: Path, lock: int, shape: tuple[int, ...]) -> np.ndarray:
    """The file that is locked as a .npy of that shape.

    It is opened once more, since a map holds its descriptor, and that would hold the lock.

    Raises:
      UserError: the name leads to another file by now.
    """
    with open(path, "r+b", opener=no_link) as file:
        if not os.path.samestat(os.fstat(file.fileno()), os.fstat(lock)):
            raise UserError(f"{path} was replaced by another file; remove it")
        header = {"descr": "|u1", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)
        return np.memmap(file, np.uint8, "r+", file.tell(), shape)


def _opened(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    try:
        pixels = np.load(path, mmap_mode="r")
    except (ValueError, EOFError) as error:
        raise UserError(f"{path} is damaged ({error}); remove it") from error
    if (pixels.shape, pixels.dtype) != (shape, np.uint8):
        raise UserError(f"{path} is damaged (it holds {pixels.dtype} {pixels.shape}); remove it")
    return pixels


def _name(faces: Faces, size: int) -> str:
    """A name that other faces, another order or another decoder would not have."""
    digest = hashlib.sha256("\n".join([PIXELS_VERSION, *faces.sha256.tolist()]).encode())
    return f"{size}px-{digest.hexdigest()[:20]}.npy"
