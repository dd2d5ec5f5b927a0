"""A table of faces packed into a folder: an array_record file of images and a file of columns."""

import os
import shutil
import tempfile
from pathlib import Path

import numpy as np

from agejax.data.faces import Faces
from agejax.data.npz import read_npz
from agejax.data.records import Records, write_records
from agejax.errors import UserError
from agejax.utils.files import within
from agejax.utils.notes import bar
from agejax.utils.plain_names import check_plain

_IMAGES, _COLUMNS = "faces.array_record", "faces.npz"


def check_free(folder: Path) -> None:
    """Raises `UserError` if the path of a new folder already exists."""
    if folder.exists():
        raise UserError(f"{folder} already exists; name another folder, or remove it")


def pack(faces: Faces, splits: np.ndarray, folder: Path) -> None:
    """Writes faces, and the split of each, for `open_packed`.

    Images are stored as they are used in training, at most 512 pixels a side. The folder appears
    only once it is complete.

    Raises:
      UserError: the folder already exists.
    """
    check_free(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    beside = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        pieces = np.array_split(faces.rows, max(1, len(faces) // 64))
        images = (image for piece in pieces for image in faces.read(piece))
        shown = bar(images, total=len(faces), desc="packing", unit="face", delay=2)
        write_records(beside / _IMAGES, shown)
        columns = {"path": faces.path, "sha256": faces.sha256, "split": splits}
        columns |= {} if faces.person is None else {"person": faces.person}
        for kind in ("labels", "known", "upto", "attributes"):
            columns |= {f"{kind}/{name}": of for name, of in getattr(faces, kind).items()}
        np.savez_compressed(beside / _COLUMNS, **columns)  # type: ignore[arg-type]
        os.chmod(beside, 0o777 & ~_umask())
        beside.rename(folder)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def is_packed(folder: Path) -> bool:
    """Whether a folder has the files that `pack` writes."""
    return (folder / _IMAGES).is_file() and (folder / _COLUMNS).is_file()


def open_packed(folder: Path) -> tuple[Faces, np.ndarray]:
    """The faces that `pack` wrote, and the split of each, str [N].

    Raises:
      UserError: the folder was not written by `pack`, or is damaged.
    """
    file = within(folder, _COLUMNS)
    within(folder, _IMAGES)
    if not file.is_file():
        raise UserError(f"{folder}: a folder, but not one that `agejax pack` wrote; name a table")
    try:
        columns = read_npz(file)
        of = lambda kind: {
            name.partition("/")[2]: column
            for name, column in columns.items()
            if name.startswith(f"{kind}/")
        }
        records = Records([folder / _IMAGES], len(columns["path"]), "pack the table again")
        faces = Faces(
            path=columns["path"],
            labels=of("labels"),
            known=of("known"),
            sha256=columns["sha256"],
            read=records.read,
            rows=np.arange(len(columns["path"])),
            person=columns.get("person"),
            upto=of("upto"),
            attributes=of("attributes"),
        )
        for split in np.unique(columns["split"]).tolist():
            check_plain(split, f"{file}: a split")
        return faces, columns["split"]
    except UserError:
        raise
    except Exception as error:  # zipfile, zlib and NumPy raise different types
        raise UserError(f"{file}: cannot be read ({error}); pack the table again") from error


def modified(path: Path) -> int:
    """When a table, or a packed folder's, was last written, in ns; 0 if it does not exist."""
    file = path / _COLUMNS if path.is_dir() else path
    return file.stat().st_mtime_ns if file.exists() else 0


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
