"""Files that are written beside others: no symbolic link that lies there is written through."""

import contextlib
import errno
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

from agejax.errors import UserError


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A new and empty file that takes the place of `path` if the block ends well, and else goes.

    It stands in the same folder, which is made, under a name that nobody can know before.

    Raises:
      OSError: the system refuses; its `filename` says what.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name[:60]}.{secrets.token_hex(8)}")
    try:
        os.close(_open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL))
    except OSError as error:
        error.filename = str(path)
        raise
    try:
        yield beside
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def write_new(path: Path, data: bytes) -> None:
    """Writes a file that is not there yet, and the folders that it needs.

    Raises:
      OSError: something is there already, or the system refuses.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with os.fdopen(_open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL), "wb") as file:
        file.write(data)


def no_link(path: str, flags: int) -> int:
    """An `opener` for `open` that refuses a symbolic link.

    Raises:
      UserError: there is one.
    """
    try:
        return _open(path, flags)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise _refused(Path(path)) from error
        raise


def within(folder: Path, *names: str) -> Path:
    """`folder/NAME/...`, through no symbolic link below `folder`.

    Raises:
      UserError: there is one.
    """
    path = folder
    for name in names:
        path = path / name
        if path.is_symlink():
            raise _refused(path)
    return path


def check_no_links(folder: Path) -> None:
    """Raises a `UserError` where a folder is, or holds somewhere, a symbolic link."""
    if folder.is_symlink():
        raise _refused(folder)
    for inside, folders, files in os.walk(folder):
        for name in (*folders, *files):
            within(Path(inside), name)


def _open(path: str | Path, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)


def _refused(path: Path) -> UserError:
    return UserError(
        f"{path} is a symbolic link, which is not followed; remove it (the whole folder may be "
        f"reached by one)"
    )
