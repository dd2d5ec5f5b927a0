"""Decoded pixels kept for later epochs, in memory or in a file, and for later runs."""

import fcntl
import hashlib
import os
import shutil
import stat
import weakref
from pathlib import Path
from typing import Literal

import numpy as np

from agejax.data.decode import PIXELS_VERSION
from agejax.data.faces import Faces
from agejax.errors import UserError, first_line
from agejax.utils.files import no_link
from agejax.utils.notes import warn
from agejax.utils.printable import printable

_HASH = 16  # bytes, of each face's pixels


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
            self._file = _File(Path(cache_dir), _name(faces, size), faces.sha256, size)
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
        if self._file is not None:
            self._there[self._file.damaged(rows[self._there[rows]])] = False
        there = self._there[rows]
        if self._pixels is not None and there.any():
            out[there] = self._pixels[rows[there]]
        return np.flatnonzero(~there)

    def put(self, rows: np.ndarray, pixels: np.ndarray) -> None:
        """Keeps the pixels of `rows`, if there is room."""
        if self._pixels is None:
            return
        self._pixels[rows] = pixels
        if self._file is not None:
            self._file.seal(rows)
        self._there[rows] = True
        if self._file is not None and self._there.all():
            self._file.finish()


class _File:
    """A memory-mapped .npy file of pixels and their hashes; it bears its name once it is whole.

    A file that was there is not trusted: the first time that this process takes a face from it,
    its hash is compared, and a damaged one is decoded and written again.

    Attributes:
      pixels: uint8 [N, size, size, 3]; None while another run fills the file.
      whole: whether the file was there, or is finished.
    """

    def __init__(self, folder: Path, name: str, sha256: np.ndarray, size: int):
        """For faces of images with these hashes, str [N].

        Raises:
          UserError: the folder cannot be written to, or its disk is too small.
        """
        self._path, self._partial = folder / name, folder / f"{name}.partial"
        self._sha256 = sha256
        self._rows: np.ndarray | None = None
        self._checked = np.zeros(len(sha256), bool)
        self._told = False
        row = np.dtype([("pixels", np.uint8, (size, size, 3)), ("hash", np.uint8, _HASH)])
        if self._path.exists():
            self._rows = self._opened(row)
        self.whole = self._rows is not None
        if not self.whole:
            self._rows = self._begun(row)
            self._checked[:] = True  # what this process writes itself
        self.pixels = None if self._rows is None else self._rows["pixels"]

    def damaged(self, rows: np.ndarray) -> np.ndarray:
        """Those of `rows`, int [n], whose pixels are not what was written."""
        rows = rows[~self._checked[rows]]
        if self._rows is None or not len(rows):
            return rows
        bad = [row for row in rows.tolist() if (self._rows["hash"][row] != self._hash(row)).any()]
        self._checked[rows] = True
        if bad and not self._told:
            self._tell("holds damaged pixels")
        return np.array(bad, rows.dtype)

    def seal(self, rows: np.ndarray) -> None:
        """Writes down the hashes of pixels that were just written."""
        if self._rows is not None:
            for row in rows.tolist():
                self._rows["hash"][row] = self._hash(row)

    def finish(self) -> None:
        """Gives the file its name, now that all faces are in it."""
        if isinstance(self._rows, np.memmap) and not self.whole:
            self.whole = True
            self._rows.flush()
            self._partial.rename(self._path)

    def _hash(self, row: int) -> np.ndarray:
        assert self._rows is not None
        key = self._sha256[row].encode()[:64]  # a row of another file is none of this
        digest = hashlib.blake2b(self._rows["pixels"][row], digest_size=_HASH, key=key)
        return np.frombuffer(digest.digest(), np.uint8)

    def _opened(self, row: np.dtype) -> np.ndarray | None:
        """The rows of the file that is there; None, and a line, where it is none of ours."""
        mode: Literal["r+", "c"] = "r+" if self._is_ours() else "c"
        try:
            np.load(self._path, mmap_mode="r")  # which does not, as r+ does, lengthen what was cut
            rows = np.load(self._path, mmap_mode=mode)
        except (ValueError, EOFError) as error:
            self._tell(f"is damaged ({first_line(error)})")
            return None
        if (rows.shape, rows.dtype) != (self._checked.shape, row):
            self._tell("is damaged (it is of another form)")
            return None
        return rows

    def _is_ours(self) -> bool:
        """Whether damaged rows may be written again: not through a link."""
        return os.access(self._path, os.W_OK) and not self._path.is_symlink()

    def _begun(self, row: np.dtype) -> np.ndarray | None:
        """Rows to be filled, in a file of another name; None where another run fills it."""
        folder = self._path.parent
        folder.mkdir(parents=True, exist_ok=True)
        lock = _opened_alone(self._partial)
        self.close = weakref.finalize(self, os.close, lock)  # which gives the lock back
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return None  # this one goes without
        os.truncate(lock, 0)
        need = len(self._checked) * row.itemsize
        if need > (free := shutil.disk_usage(folder).free):
            self._partial.unlink()
            raise UserError(
                f"{folder}: {need / 2**20:,.0f} MiB of pixels do not fit on the disk, "
                f"which has {free / 2**20:,.0f} MiB left; name another config.data.cache_dir"
            )
        return _mapped(self._partial, lock, row, self._checked.shape)

    def _tell(self, what: str) -> None:
        self._told = True
        told = f"{self._path} {what}; these faces are decoded and kept anew"
        warn(printable(told))


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


def _mapped(path: Path, lock: int, row: np.dtype, shape: tuple[int, ...]) -> np.ndarray:
    """The file that is locked as a .npy of that shape.

    It is opened once more, since a map holds its descriptor, and that would hold the lock.

    Raises:
      UserError: the name leads to another file by now.
    """
    with open(path, "r+b", opener=no_link) as file:
        if not os.path.samestat(os.fstat(file.fileno()), os.fstat(lock)):
            raise UserError(f"{path} was replaced by another file; remove it")
        descr = np.lib.format.dtype_to_descr(row)
        header = {"descr": descr, "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)
        return np.memmap(file, row, "r+", file.tell(), shape)


def _name(faces: Faces, size: int) -> str:
    """A name that other faces, another order or another decoder would not have."""
    digest = hashlib.sha256("\n".join([PIXELS_VERSION, *faces.sha256.tolist()]).encode())
    return f"{size}px-{digest.hexdigest()[:20]}-hashed.npy"
