"""Files that are whole or not there, also after a loss of power."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from agejax.utils.files import replacing


def write_text(path: Path, text: str) -> None:
    """As `write_bytes`, in UTF-8."""
    write_bytes(path, text.encode("utf-8"))


def write_bytes(path: Path, data: bytes) -> None:
    """Writes a file, and the folders that it needs: whole or not at all.

    Raises:
      OSError: the system refuses; its `filename` says what.
    """
    with naming(path):
        with replacing(path) as beside:
            beside.write_bytes(data)
            sync_file(beside)
        sync_folder(path.parent)


def sync_file(path: Path) -> None:
    """Waits until a file's bytes are on the disk."""
    _sync(path, os.O_RDONLY)


def sync_folder(path: Path) -> None:
    """Waits until the names in a folder are on the disk."""
    _sync(path, os.O_RDONLY | os.O_DIRECTORY)


def _sync(path: Path, flags: int) -> None:
    with naming(path):
        descriptor = os.open(path, flags)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@contextlib.contextmanager
def naming(path: Path) -> Iterator[None]:
    """Has an `OSError` say which file it is about, where it does not (as that of a full disk)."""
    try:
        yield
    except OSError as error:
        error.filename = error.filename or str(path)
        raise
