"""IMDB-WIKI as `Faces`; `tfds_imdb_wiki` builds it if needed."""

import dataclasses
import functools
import json
from pathlib import Path
from typing import Any

import numpy as np

from agejax.data.faces import Faces
from agejax.data.npz import read_npz
from agejax.data.records import Records, shards_of
from agejax.errors import NoSuchSplit, UserError, first_line
from agejax.utils.notes import bar
from agejax.utils.plain_names import check_split

_TITLES = {"imdb": "IMDB", "wiki": "Wikipedia", "imdb_wiki": "IMDB and Wikipedia"}


def imdb_wiki(
    split: str,
    *,
    name: str = "imdb",
    manual_dir: str | None = None,
    data_dir: str | None = None,
    min_face_score: float = 0.0,
    painted: int = 0,
) -> Faces:
    """The faces of a split, built first if needed.

    Args:
      split: "train", "validation" or "test".
      name: "imdb", "wiki" or "imdb_wiki".
      manual_dir: the folder of the archives; None for TFDS's `DATA_DIR/downloads/manual`.
      data_dir: the folder of built data sets; None for TFDS's own, `~/tensorflow_datasets`.
      min_face_score: leaves out faces with a lower detection score; the build has its own limit.
      painted: if not 0, first paints this many synthetic faces per archive into `manual_dir`.

    Raises:
      UserError: archives or splits are missing.
    """
    folder = _built(name, manual_dir, data_dir, painted)
    faces, score = _open(folder, split)
    faces = dataclasses.replace(faces, about=_about(folder, name))
    faces = faces.where(score >= np.float32(min_face_score))
    if not len(faces):
        raise UserError(
            f"{folder}: no face of {split!r} has a score of {min_face_score} or more; "
            f"lower config.data.min_face_score"
        )
    return faces


def of_folder(folder: Path, split: str) -> Faces:
    """The faces of a split of a built data set, such as `DATA_DIR/imdb_wiki/imdb/2.0.0`.

    Raises:
      UserError: there is none.
    """
    return _open(folder, split)[0]


def _open(folder: Path, split: str) -> tuple[Faces, np.ndarray]:
    """The faces of a split, and the detection score of each."""
    check_split(split)
    file = folder / f"columns-{split}.npz"
    if not file.exists():
        there = ", ".join(sorted(f.stem.removeprefix("columns-") for f in folder.glob("columns-*")))
        raise NoSuchSplit(f"{folder}: there is no split {split!r}; there are {there or 'none'}")
    columns = _columns(file)
    records = Records(shards_of(folder, split), len(columns["path"]))
    tasks = ("age", "gender")
    faces = Faces(
        path=columns["path"],
        labels={task: columns[task].astype(np.int32) for task in tasks},
        known={task: np.ones(len(columns["path"]), bool) for task in tasks},
        sha256=columns["image_sha256"].astype(str),
        read=functools.partial(_read, records, columns["image_start"], columns["image_length"]),
        rows=np.arange(len(columns["path"])),
        person=columns["person"],
    )
    return faces, columns["face_score"]


def _columns(file: Path) -> dict[str, np.ndarray]:
    try:
        return read_npz(file)
    except Exception as error:  # zipfile, zlib and NumPy raise different types
        raise _damaged(file, error) from error


def _damaged(file: Path, error: Exception) -> UserError:
    return UserError(
        f"{file} is damaged ({first_line(error)}); build the data again, with --overwrite"
    )


def _about(folder: Path, name: str) -> dict[str, Any]:
    """Facts for people; see `Faces.about`. Dropped rows are counted over all splits.

    Painted faces are recognised by their .mat alone: if painted faces are configured for a folder
    that holds a real archive, that archive is used, with its own terms.
    """
    from tfds_imdb_wiki.rows import REASONS

    file = folder / "drop_report.json"
    try:
        report = json.loads(file.read_text(encoding="utf-8"))
        counts = {"rows": report["rows"], "dropped": report["dropped"], "reasons": REASONS}
        painted = report.get("painted") is True
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise _damaged(file, error) from error
    if painted:
        return {
            "title": "faces painted by agejax, in the layout of IMDB-WIKI",
            "licence": "Apache-2.0, as agejax; they show no real person",
            **counts,
        }
    return {
        "title": f"IMDB-WIKI, the faces of {_TITLES[name]} celebrities",
        "licence": "for academic research only; the photos belong to their owners",
        "citation": "Rothe, Timofte, Van Gool, Deep expectation of real and apparent age from a "
        "single image without facial landmarks, IJCV 2018",
        "homepage": "https://data.vision.ee.ethz.ch/cvl/rrothe/imdb-wiki/",
        **counts,
    }


@functools.cache
def _built(name: str, manual_dir: str | None, data_dir: str | None, painted: int) -> Path:
    from tfds_imdb_wiki.build import build

    if painted:
        from tfds_imdb_wiki.paint.archive import write_archive

        if manual_dir is None:
            raise UserError("painted faces need a folder: set config.data.manual_dir")
        for kind in name.split("_"):
            shown = functools.partial(bar, desc=f"painting {kind}", unit="face")
            write_archive(Path(manual_dir), kind, painted, progress=shown)
    return build(name, manual_dir, data_dir)


def _read(records: Records, starts: np.ndarray, lengths: np.ndarray, rows: np.ndarray):
    images = zip(records.read(rows), starts[rows], lengths[rows], strict=True)
    return [record[start : start + length] for record, start, length in images]
