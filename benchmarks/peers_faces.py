"""The faces of `peers.py`: crops in files, with what is known of each."""

import dataclasses
from pathlib import Path

import numpy as np

from agejax.data.attributes import read_attributes
from agejax.data.faces import Faces
from agejax.data.imdb_wiki import imdb_wiki
from agejax.data.own_faces import own_faces

SPLITS = ("train", "validation", "test")


@dataclasses.dataclass(frozen=True)
class Crops:
    """N face crops.

    Attributes:
      name: of the set, for file names.
      root: the folder of the files.
      path: str [N], relative to it.
      age: int [N], years; the first of a group.
      upto: int [N], the last year of the group; equal to `age` where that is exact.
      male: bool [N].
      race: str [N].
      same: str [N], faces with the same value are resampled together: the same image.
    """

    name: str
    root: Path
    path: np.ndarray
    age: np.ndarray
    upto: np.ndarray
    male: np.ndarray
    race: np.ndarray
    same: np.ndarray

    def __len__(self) -> int:
        return len(self.path)

    def some(self, n: int) -> "Crops":
        """`n` of them, evenly chosen; all for 0 or more than there are."""
        if not 0 < n < len(self):
            return self
        rows = np.unique(np.linspace(0, len(self) - 1, n).astype(int))
        columns = {
            field.name: getattr(self, field.name)[rows]
            for field in dataclasses.fields(self)[2:]  # all but name and root
        }
        return dataclasses.replace(self, **columns)


def of_table(name: str, table: Path, split: str) -> Crops:
    """The faces of a split of a table with the columns path, age, gender, race and split."""
    faces = own_faces(split, path=str(table))
    return _crops(name, table.parent, faces, faces.attributes["race"])


def imdb(manual_dir: Path, into: Path) -> Crops:
    """All faces of IMDB's archive that the builder keeps, whatever their split, as files."""
    parts = [imdb_wiki(split, manual_dir=str(manual_dir)) for split in SPLITS]
    root = into / "imdb-images"
    if not root.is_dir():
        _write(parts, root)
    table = manual_dir / "attributes.csv"
    races = [read_attributes(table, faces.path)["race"] for faces in parts]
    found = [_crops("imdb", root, *both) for both in zip(parts, races, strict=True)]
    columns = {
        field.name: np.concatenate([getattr(part, field.name) for part in found])
        for field in dataclasses.fields(Crops)[2:]
    }
    return Crops("imdb", root, **columns)


def _write(parts: list[Faces], root: Path) -> None:
    """Writes the images of all faces; the folder has its name once all are there."""
    part = root.with_suffix(".part")
    for faces in parts:
        for path, row in zip(faces.path.tolist(), faces.rows, strict=True):
            file = part / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(faces.read(np.array([row]))[0])
    part.rename(root)


def _crops(name: str, root: Path, faces: Faces, race: np.ndarray) -> Crops:
    known = faces.known["age"] & faces.known["gender"]
    faces, race = faces.where(known), race[known]
    age = faces.labels["age"]
    return Crops(
        name=name,
        root=root,
        path=faces.path,
        age=age,
        upto=faces.upto.get("age", age),
        male=faces.labels["gender"] == 1,
        race=race,
        same=faces.sha256,
    )
