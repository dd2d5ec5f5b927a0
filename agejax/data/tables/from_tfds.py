"""Exports a data set built by `tfds_imdb_wiki` to image files and rows of a table."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from agejax.data.faces import Faces
from agejax.data.imdb_wiki import of_folder
from agejax.data.tables.importers import Imported
from agejax.errors import UserError
from agejax.labels import GENDER_NAMES
from agejax.utils.files import write_new
from agejax.utils.notes import bar
from agejax.utils.plain_names import is_inside
from tfds_imdb_wiki.rows import SPLITS


def from_built(folder: Path, images: Path) -> Iterator[Imported]:
    """Yields a row for each face and writes its image, unchanged, below `images`.

    Args:
      folder: such as `~/tensorflow_datasets/imdb_wiki/imdb/2.0.0`.
      images: the folder to create.

    Raises:
      UserError: there is no built data set, `images` already exists, or the path of a face would
        lead out of it.
    """
    if images.exists() and (not images.is_dir() or any(images.iterdir())):
        raise UserError(f"{images} is not empty; name a new folder with --images")
    of_splits = {split: of_folder(folder, split) for split in SPLITS}
    for faces in of_splits.values():
        _check_paths(folder, faces)
    for split, faces in of_splits.items():
        person = np.full(len(faces), "") if faces.person is None else faces.person
        pieces = np.array_split(faces.rows, max(1, len(faces) // 64))
        for rows in bar(pieces, desc=f"writing {split}", delay=2, leave=False):
            for row, image in zip(rows, faces.read(rows), strict=True):
                file = images / faces.path[row]
                write_new(file, image)
                cells = {
                    "path": str(file),
                    "age": str(faces.labels["age"][row]),
                    "gender": GENDER_NAMES[faces.labels["gender"][row]],
                    "person": str(person[row]),
                    "split": split,
                }
                yield Imported(str(file), cells)


def _check_paths(folder: Path, faces: Faces) -> None:
    for path in faces.path.astype(str).tolist():
        if not is_inside(path):
            raise UserError(f"{folder}: a face is called {path!r}, which leads out of a folder")
