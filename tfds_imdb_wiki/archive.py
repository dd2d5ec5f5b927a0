"""A crop archive, read in place: a tar is never unpacked, so nothing can climb out of it."""

import dataclasses
import errno
import os
import stat
import tarfile
from pathlib import Path
from typing import Any

from agejax.errors import UserError, first_line

_NOT_THERE = {errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG, errno.ELOOP}


_Parts = tuple[tuple[int, int], ...]
_MOST_SPARSE = 1 << 28  # bytes that a sparse file may become, if its tar is no larger


@dataclasses.dataclass(frozen=True)
class Piece:
    """Where a file of an archive is, for processes that have not opened it: a part of `file`.

    `size` is None for a file of a folder, which is read whole. `parts` are (start, bytes) of what
    a sparse file is made of, all else of it zeros: they stand one after another from `offset` on.
    """

    file: str
    offset: int = 0
    size: int | None = None
    parts: _Parts | None = None

    def read(self) -> bytes | None:
        """Its bytes, or None where it is not there."""
        if self.size is None:
            return _read_if_there(Path(self.file))
        with open(self.file, "rb") as file:
            return self.read_from(file.fileno())

    def read_from(self, fd: int) -> bytes:
        """Its bytes, of the tar that is open as `fd`."""
        assert self.size is not None
        if self.parts is None:
            return os.pread(fd, self.size, self.offset)
        whole, at = bytearray(self.size), self.offset
        for start, length in self.parts:
            whole[start : start + length] = os.pread(fd, length, at)
            at += length
        return bytes(whole)


class Archive:
    """The files of `imdb_crop` or `wiki_crop`, by their names below that folder.

    Attributes:
      path: the tar file or the folder.
    """

    def __init__(self, path: Path):
        """Opens a `.tar` or an unpacked folder.

        Raises:
          UserError: the tar is damaged.
        """
        self.path = path
        self._folder = path.is_dir()
        if not self._folder:
            self._fd = os.open(path, os.O_RDONLY)
            self._members, self._sparse = _index(path)

    def read(self, name: str) -> bytes | None:
        """The bytes of a file such as `00/nm0000100_rm46373120_1955-1-6_2003.jpg`, or None.

        Safe to call from many threads. A name that leads out of the archive is not there.
        """
        piece = self.piece(name)
        if piece is None:
            return None
        if piece.size is None:
            return piece.read()
        return piece.read_from(self._fd)

    def piece(self, name: str) -> Piece | None:
        """Where such a file is; None where a tar has none, or the name leads out of the archive."""
        name = os.path.normpath(name)
        if not self._folder:
            place = self._members.get(name)
            return place and Piece(str(self.path), *place, self._sparse.get(name))
        if os.path.isabs(name) or name.startswith("..") or "\0" in name:
            return None
        return Piece(str(self.path / name))


def _read_if_there(path: Path) -> bytes | None:
    try:
        return _read_file(path)
    except OSError as error:
        if error.errno in _NOT_THERE:
            return None
        raise


def _read_file(path: Path) -> bytes | None:
    """The bytes of a regular file; a pipe would be waited for, and a device never ends."""
    with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
        return file.read() if stat.S_ISREG(os.fstat(file.fileno()).st_mode) else None


def find_archive(manual_dir: Path, kind: str) -> Path | None:
    """The unpacked `{kind}_crop/` in `manual_dir`, else `{kind}_crop.tar`, else None."""
    folder, tar = manual_dir / f"{kind}_crop", manual_dir / f"{kind}_crop.tar"
    if (folder / f"{kind}.mat").is_file():
        return folder
    return tar if tar.is_file() else None


def fingerprint(path: Path, kind: str) -> dict[str, Any]:
    """Identifies an archive without reading it: by its form and its size in bytes."""
    if path.is_dir():
        return {"form": "folder", "mat_bytes": (path / f"{kind}.mat").stat().st_size}
    return {"form": "tar", "tar_bytes": path.stat().st_size}


def files_home(path: Path) -> str:
    """Where the files of an archive lie, for people."""
    return f"the folder {path}" if path.is_dir() else f"the archive {path}"


def _index(path: Path) -> tuple[dict[str, tuple[int, int]], dict[str, _Parts]]:
    """(offset, size) of each file of a tar, and the parts of those that are sparse."""
    members: dict[str, tuple[int, int]] = {}
    sparse: dict[str, _Parts] = {}
    most = max(_MOST_SPARSE, path.stat().st_size)
    try:
        with tarfile.open(path, "r:") as tar:
            for member in tar:
                if member.isfile():
                    name = os.path.normpath(member.name).partition("/")[2]
                    members[name] = (member.offset_data, member.size)
                    sparse.pop(name, None)  # of an earlier file of that name
                    if member.issparse():
                        sparse[name] = _parts(member, most)
                tar.members = []  # type: ignore[attr-defined]  # tarfile keeps all it has seen
            # tarfile takes a cut or damaged header for the end; the true end is a block of zeros.
            with open(path, "rb") as file:
                file.seek(tar.offset)
                if file.read(512) != bytes(512):
                    raise tarfile.TarError(f"it is cut off or damaged at byte {tar.offset:,}")
    # A damaged map of a sparse file, and endless headers of headers.
    except (tarfile.TarError, ValueError, LookupError, RecursionError) as error:
        why = first_line(error)
        raise UserError(f"{path}: not a complete tar archive ({why}); fetch it again") from error
    return members, sparse


def _parts(member: tarfile.TarInfo, most: int) -> _Parts:
    """What a sparse file is made of.

    Raises:
      TarError: it is more than `most` bytes, or its parts do not lie within it, in order.
    """
    found: Any = member.sparse  # [(start, bytes)], whatever typeshed says
    parts = tuple((int(start), int(length)) for start, length in found or () if length)
    at = 0
    for start, length in parts:
        if start < at or length < 0:
            raise tarfile.TarError(f"the parts of the sparse file {member.name} overlap")
        at = start + length
    if not at <= member.size <= most:
        raise tarfile.TarError(f"the sparse file {member.name} is of {member.size:,} bytes")
    return parts
