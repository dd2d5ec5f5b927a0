"""Finds image files in a folder, and reads a file without blocking on pipes and devices."""

import collections
import contextlib
import dataclasses
import importlib.util
import os
import stat
from pathlib import Path

from agejax.data.formats import BadImage
from agejax.errors import UserError
from agejax.utils.printable import printable

_HEIC = (".heic", ".heif", ".hif")
SUFFIXES = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".webp"),
    *(".gif", ".bmp", ".tif", ".tiff", ".avif", *_HEIC),
)
MAX_BYTES = 256 * 2**20  # of a file: larger than any photograph
_OWN = ("/dev/fd/", "/proc/self/fd/", "/dev/stdin")  # descriptors of this process
_KINDS = {
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


@dataclasses.dataclass
class Found:
    """The contents of a folder.

    Attributes:
      images: the image files, sorted.
      errors: folders that cannot be read, and files named as images that cannot be one.
      others: {suffix, or name if it has none: number of files} of files that are not images, and
        the folder that was skipped.
    """

    images: list[Path] = dataclasses.field(default_factory=list)
    errors: list[UserError] = dataclasses.field(default_factory=list)
    others: collections.Counter[str] = dataclasses.field(default_factory=collections.Counter)

    def left_out(self) -> str:
        """The files that are not images, such as "3 .txt, 1 .mov"; "" if there are none."""
        most = sorted(self.others.items(), key=lambda other: (-other[1], other[0]))[:8]
        parts = [f"{n:,} {printable(suffix)}" for suffix, n in most]
        return ", ".join([*parts, "and more"] if len(self.others) > 8 else parts)


def find_images(folder: Path, without: Path | None = None) -> Found:
    """The images in a folder and its subfolders, each once, even if links lead to it again.

    Args:
      folder: where to search.
      without: a subfolder to skip.
    """
    found = Found()
    # A link to a parent of this folder would lead out of it, and into a cycle.
    passed = _identity(without) if without and without.is_dir() else None
    seen = {passed}
    for parent in folder.resolve().parents:
        with contextlib.suppress(OSError):
            seen.add(_identity(parent))
    folders, links = [folder], list[Path]()
    while folders or links:
        # Links come last, so that a file is listed under its own path if it has one.
        place = folders.pop() if folders else links.pop(0)
        try:
            identity = _identity(place)
            if identity in seen and place != folder:
                if identity == passed:
                    found.others[f"{place.name}/"] += 1
                continue
            seen.add(identity)
            with os.scandir(place) as entries:
                for entry in sorted(entries, key=lambda entry: entry.name):
                    path = place / entry.name
                    if not _is_folder(entry):
                        _sort_in(path, found)
                    elif entry.is_symlink():
                        links.append(path)
                    else:
                        folders.append(path)
        except OSError as error:
            found.errors.append(UserError(f"{printable(str(place))}: {error.strerror or error}"))
    found.images.sort()
    return _without_heic(folder, found)


def _sort_in(path: Path, found: Found) -> None:
    name, suffix = path.name, path.suffix.lower()
    if suffix not in SUFFIXES or name.startswith("._"):  # the latter: metadata by macOS
        found.others["._*" if name.startswith("._") else suffix or name] += 1
        return
    try:
        kind = _KINDS.get(stat.S_IFMT(path.stat().st_mode))
    except OSError:
        kind = None  # a broken link: reading it reports that
    if kind is None:
        found.images.append(path)
    else:
        found.errors.append(UserError(f"{printable(str(path))}: {kind}, not a file"))


def _without_heic(folder: Path, found: Found) -> Found:
    """Reports HEIC files in one line if they cannot be read."""
    heic = [path for path in found.images if path.suffix.lower() in _HEIC]
    if heic and importlib.util.find_spec("pillow_heif") is None:
        found.images = [path for path in found.images if path.suffix.lower() not in _HEIC]
        found.errors.append(
            UserError(
                f"{printable(str(folder))}: {len(heic):,} HEIC image(s) are left out; they need "
                f"the extra 'heic': pip install 'agejax[heic]'"
            )
        )
    return found


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # cyclic links
        return False


def _identity(folder: Path) -> tuple[int, int]:
    found = folder.stat()
    return found.st_dev, found.st_ino


def read_whole(file: Path, most: int = MAX_BYTES) -> bytes:
    """The bytes of a file.

    Raises:
      BadImage: it is a pipe, socket or device, which may never end, or its name or size is not
        possible for an image.
      OSError: it cannot be read.
    """
    try:
        # O_NONBLOCK: opening a pipe without a writer would otherwise block for ever.
        opened = os.open(file, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except ValueError as error:
        raise BadImage("not a valid file name") from error
    try:
        about = os.fstat(opened)
        kind = _KINDS.get(stat.S_IFMT(about.st_mode))
        if kind and not str(file).startswith(_OWN):
            raise BadImage(f"{kind}, not a file")
        os.set_blocking(opened, True)
        with open(opened, "rb", closefd=False) as source:
            # Do not read endless files, or files already known to be too large, completely.
            data = b"" if about.st_size > most else source.read(most + 1)
    finally:
        os.close(opened)
    if max(len(data), about.st_size) > most:
        raise BadImage(f"the file is larger than {most // 2**20} MiB")
    return data
