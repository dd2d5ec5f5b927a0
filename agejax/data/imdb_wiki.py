"""IMDB-WIKI as `Faces`: built by `tfds_imdb_wiki` where it is not built yet."""

import functools
from pathlib import Path

import numpy as np

from agejax.data.faces import Faces
from agejax.data.records import Records, shards_of
from agejax.errors import UserError


def imdb_wiki(
    split: str,
    *,
    name: str = "imdb",
    manual_dir: str | None = None,
    data_dir: str | None = None,
    min_face_score: float = 0.0,
    painted: int = 0,
) -> Faces:
    """The faces of a split, built first if need be.

    Args:
      split: "train", "validation" or "test".
      name: "imdb", "wiki" or "imdb_wiki".
      manual_dir: where the archives lie; None for TFDS's `DATA_DIR/downloads/manual`.
      data_dir: where data sets are built; None for TFDS's own, `~/tensorflow_datasets`.
      min_face_score: leaves out faces of a lower detection score; the build has its own.
      painted: if not 0, that many synthetic faces an archive are painted into `manual_dir` first.

    Raises:
      UserError: archives or splits that are not there.
    """
    folder = _built(name, manual_dir, data_dir, painted)
    file = folder / f"columns-{split}.npz"
    if not file.exists():
        there = ", ".join(sorted(f.stem.removeprefix("columns-") for f in folder.glob("columns-*")))
        raise UserError(f"{folder}: there is no split {split!r}; there are {there or 'none'}")
    with np.load(file, allow_pickle=False) as npz:
        columns = dict(npz)
    records = Records(shards_of(folder, split), len(columns["path"]))
    tasks = ("age", "gender")
    faces = Faces(
        path=columns["path"],
        labels={task: columns[task].astype(np.int32) for task in tasks},
        known={task: np.ones(len(columns["path"]), bool) for task in tasks},
        sha256=columns["image_sha256"],
        read=functools.partial(_read, records, columns["image_start"], columns["image_length"]),
        rows=np.arange(len(columns["path"])),
        person=columns["person"],
    )
    faces = faces.where(columns["face_score"] >= np.float32(min_face_score))
    if not len(faces):
        raise UserError(
            f"{folder}: no face of {split!r} has a score of {min_face_score} or more; "
            f"lower config.data.min_face_score"
        )
    return faces


@functools.cache
def _built(name: str, manual_dir: str | None, data_dir: str | None, painted: int) -> Path:
    from tfds_imdb_wiki.build import build

    if painted:
        from tqdm.auto import tqdm

        from tfds_imdb_wiki.paint.archive import write_archive

        if manual_dir is None:
            raise UserError("painted faces need a folder: set config.data.manual_dir")
        for kind in name.split("_"):
            bar = functools.partial(tqdm, desc=f"painting {kind}", unit="face")
            write_archive(Path(manual_dir), kind, painted, progress=bar)
    return build(name, manual_dir, data_dir)


def _read(records: Records, starts: np.ndarray, lengths: np.ndarray, rows: np.ndarray):
    images = zip(records.read(rows), starts[rows], lengths[rows], strict=True)
    return [record[start : start + length] for record, start, length in images]
