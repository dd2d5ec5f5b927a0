"""A cache of decoded pixels for later epochs and later runs, in memory or in a file."""

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

_HASH = 16  # bytes of the hash of each face's pixels


class Pixels:
    """The pixels of faces that were already decoded. Safe to use from threads."""

    def __init__(
        self, faces: Faces, size: int, *, cache_mib: int = 0, cache_dir: str | None = None
    ):
        """Allocates space for all faces at `size` pixels a side, or for none.

        Args:
          faces: the faces; their order is that of the rows.
          size: side in pixels.
          cache_mib: pixels are kept in memory if all faces fit into this many MiB.
          cache_dir: a folder; pixels are kept in a file there instead, however many. Once complete,
            the file serves all later runs with the same faces and size.

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
        """Whether pixels are cached at all."""
        return self._pixels is not None

    def take(self, rows: np.ndarray, out: np.ndarray) -> np.ndarray:
        """Copies the cached pixels of `rows`, int [n], to `out`, [n, size, size, 3].

        Returns:
          The positions in `rows` of faces that are not cached.
        """
        if self._file is not None:
            self._there[self._file.damaged(rows[self._there[rows]])] = False
        there = self._there[rows]
        if self._pixels is not None and there.any():
            out[there] = self._pixels[rows[there]]
        return np.flatnonzero(~there)

    def put(self, rows: np.ndarray, pixels: np.ndarray) -> None:
        """Caches the pixels of `rows`, if there is space."""
        if self._pixels is None:
            return
        self._pixels[rows] = pixels
        if self._file is not None:
            self._file.seal(rows)
        self._there[rows] = True
        if self._file is not None and self._there.all():
            self._file.finish()


class _File:
    """A memory-mapped .npy file of pixels and their hashes; it gets its name once it is complete.

    An existing file is not trusted: when this process first takes a face from it, the hash is
    compared; a damaged face is decoded and written again.

    Attributes:
      pixels: uint8 [N, size, size, 3]; None while another run fills the file.
      whole: whether the file existed, or is complete.
    """

    def __init__(self, folder: Path, name: str, sha256: np.ndarray, size: int):
        """Opens or creates the file for images with these hashes, str [N].

        Raises:
          UserError: the folder cannot be written to, or its disk is too small.
        """
        self._path, self._partial = folder / name, folder / f"{name}.partial"
        self._sha256 = sha256
        self._rows: np.ndarray | None = None
        self._checked = np.zeros(len(sha256), bool)
        self._reported = False
        row = np.dtype([("pixels", np.uint8, (size, size, 3)), ("hash", np.uint8, _HASH)])
        if self._path.exists():
            self._rows = self._opened(row)
        self.whole = self._rows is not None
        if not self.whole:
            self._rows = self._begun(row)
            self._checked[:] = True  # written by this process
        self.pixels = None if self._rows is None else self._rows["pixels"]

    def damaged(self, rows: np.ndarray) -> np.ndarray:
        """The rows among `rows`, int [n], whose pixels do not match their hash."""
        rows = rows[~self._checked[rows]]
        if self._rows is None or not len(rows):
            return rows
        bad = [row for row in rows.tolist() if (self._rows["hash"][row] != self._hash(row)).any()]
        self._checked[rows] = True
        if bad and not self._reported:
            self._report("holds damaged pixels")
        return np.array(bad, rows.dtype)

    def seal(self, rows: np.ndarray) -> None:
        """Stores the hashes of pixels that were just written."""
        if self._rows is not None:
            for row in rows.tolist():
                self._rows["hash"][row] = self._hash(row)

    def finish(self) -> None:
        """Renames the file to its final name, now that it holds all faces."""
        if isinstance(self._rows, np.memmap) and not self.whole:
            self.whole = True
            self._rows.flush()
            self._partial.rename(self._path)

    def _hash(self, row: int) -> np.ndarray:
        assert self._rows is not None
        key = self._sha256[row].encode()[:64]  # a row from another file does not match
        digest = hashlib.blake2b(self._rows["pixels"][row], digest_size=_HASH, key=key)
        return np.frombuffer(digest.digest(), np.uint8)

    def _opened(self, row: np.dtype) -> np.ndarray | None:
        """The rows of the existing file; None, with a message, if it is not valid."""
        mode: Literal["r+", "c"] = "r+" if self._is_ours() else "c"
        try:
            np.load(self._path, mmap_mode="r")  # unlike r+, this does not extend a truncated file
            rows = np.load(self._path, mmap_mode=mode)
        except (ValueError, EOFError) as error:
            self._report(f"is damaged ({first_line(error)})")
            return None
        if (rows.shape, rows.dtype) != (self._checked.shape, row):
            self._report("is damaged (it has another format)")
            return None
        return rows

    def _is_ours(self) -> bool:
        """Whether damaged rows may be rewritten: not through a link."""
        return os.access(self._path, os.W_OK) and not self._path.is_symlink()

    def _begun(self, row: np.dtype) -> np.ndarray | None:
        """Rows to fill, in a file with a temporary name; None if another run is filling it."""
        folder = self._path.parent
        folder.mkdir(parents=True, exist_ok=True)
        lock = _opened_alone(self._partial)
        self.close = weakref.finalize(self, os.close, lock)  # releases the lock
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return None  # this run has no cache
        os.truncate(lock, 0)
        need = len(self._checked) * row.itemsize
        if need > (free := shutil.disk_usage(folder).free):
            self._partial.unlink()
            raise UserError(
                f"{folder}: {need / 2**20:,.0f} MiB of pixels do not fit on the disk, "
                f"which has {free / 2**20:,.0f} MiB left; name another config.data.cache_dir"
            )
        return _mapped(self._partial, lock, row, self._checked.shape)

    def _report(self, what: str) -> None:
        self._reported = True
        warn(printable(f"{self._path} {what}; these faces are decoded and cached again"))


def _opened_alone(path: Path) -> int:
    """A descriptor of a file, created if needed, that has no other name.

    Raises:
      UserError: it is a link, or not a file.
    """
    lock = no_link(str(path), os.O_RDWR | os.O_CREAT | os.O_NONBLOCK)
    found = os.fstat(lock)
    if not stat.S_ISREG(found.st_mode) or found.st_nlink != 1:
        os.close(lock)
        raise UserError(f"{path} is a link to another file, or not a file; remove it")
    return lock


def _mapped(path: Path, lock: int, row: np.dtype, shape: tuple[int, ...]) -> np.ndarray:
    """Maps the locked file as a .npy of that shape.

    It is opened a second time, since a map keeps its descriptor open, which would hold the lock.

    Raises:
      UserError: another file now has this name.
    """
    with open(path, "r+b", opener=no_link) as file:
        if not os.path.samestat(os.fstat(file.fileno()), os.fstat(lock)):
            raise UserError(f"{path} was replaced by another file; remove it")
        descr = np.lib.format.dtype_to_descr(row)
        header = {"descr": descr, "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)
        return np.memmap(file, row, "r+", file.tell(), shape)


def _name(faces: Faces, size: int) -> str:
    """A name that depends on the faces, their order and the decoder."""
    digest = hashlib.sha256("\n".join([PIXELS_VERSION, *faces.sha256.tolist()]).encode())
    return f"{size}px-{digest.hexdigest()[:20]}-hashed.npy"
