"""What a build must give, worked out a second time in plain Python, and readers of what it gave."""

import csv
import datetime
import io
import json
import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
import scipy.io
import tensorflow_datasets as tfds
from PIL import Image

SPLITS = ("train", "validation", "test")
FEATURES = {
    "image",
    "age",
    "gender",
    "face_score",
    "second_face_score",
    "person",
    "photo_year",
    "path",
}


class Row(NamedTuple):
    path: str
    reason: str  # "" where the row is kept
    age: int
    gender: int
    year: int
    score: float
    name: str
    dob: int


def oracle(kind: str, mat: bytes, read: Callable[[str], bytes | None]) -> list[Row]:
    """All rows of a .mat, by the rules of the issue."""
    struct = scipy.io.loadmat(io.BytesIO(mat))[kind][0, 0]
    rows = []
    for i in range(struct["dob"].size):
        cell = lambda field, i=i: struct[field][0, i]
        text = lambda field, cell=cell: str(cell(field)[0]) if cell(field).size else ""
        dob, year = int(cell("dob")), int(cell("photo_taken"))
        gender, score = float(cell("gender")), float(cell("face_score"))
        reason, age = label_reason(dob, year, gender, score, float(cell("second_face_score")))
        gender = -1 if math.isnan(gender) else int(gender)
        rows.append(Row(text("full_path"), reason, age, gender, year, score, text("name"), dob))

    def looked_at(row: Row) -> Row:
        reason = row.reason or file_reason(read(row.path))
        return row._replace(path=f"{kind}_crop/{row.path}", reason=reason)

    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(looked_at, rows))


def label_reason(dob: int, year: int, gender: float, score: float, second: float):
    """The first reason that the labels give against a row ("" for none), and the age."""
    try:
        birth = datetime.date.fromordinal(dob - 366)
        age = year - birth.year - (1 if birth.month >= 7 else 0)
    except (ValueError, OverflowError):
        birth, age = None, -1
    if score == -math.inf:
        return "no_face", age
    if math.isnan(score) or score < 1.0:
        return "low_score", age
    if second > 0:
        return "second_face", age
    if gender not in (0.0, 1.0):
        return "no_gender", age
    if birth is None:
        return "bad_dob", age
    if age < 0 or age > 100:
        return "age_range", age
    return "", age


def file_reason(data: bytes | None) -> str:
    """The reason that the file gives against a row, as Pillow sees it."""
    if data is None:
        return "missing_file"
    try:
        with Image.open(io.BytesIO(data), formats=("JPEG",)) as image:
            side = min(image.size)
            image.draft("L", (1, 1))  # all of the file is read, little of it turned to pixels
            image.load()
    except OSError:
        return "undecodable"
    return "too_small" if side < 16 else ""


def oracle_of_folder(folder: Path, kind: str) -> list[Row]:
    """`oracle` of an unpacked archive."""

    def read(name: str) -> bytes | None:
        file = folder / name
        return file.read_bytes() if file.is_file() else None

    return oracle(kind, (folder / f"{kind}.mat").read_bytes(), read)


def records(folder: Path, split: str) -> list[dict]:
    """The records of a built split in their order; the image as JPEG bytes."""
    builder = tfds.builder_from_directory(folder)
    source = builder.as_data_source(split, decoders={"image": tfds.decode.SkipDecoding()})
    return list(source.__getitems__(range(len(source))))


def contents(folder: Path) -> dict[str, list]:
    """All records of a build in a form that compares bit by bit, NaN included."""
    bits = lambda value: value if isinstance(value, bytes) else np.asarray(value).tobytes()
    return {
        split: [{k: bits(v) for k, v in record.items()} for record in records(folder, split)]
        for split in SPLITS
    }


def columns(folder: Path) -> dict[str, dict[str, np.ndarray]]:
    """`columns-SPLIT.npz` of every split."""
    loaded = {}
    for split in SPLITS:
        with np.load(folder / f"columns-{split}.npz", allow_pickle=False) as npz:
            loaded[split] = dict(npz)
    return loaded


def report(folder: Path) -> dict:
    return json.loads((folder / "drop_report.json").read_text())


def dropped(folder: Path) -> list[tuple[str, str]]:
    """The (path, reason) lines of `dropped.csv`."""
    with open(folder / "dropped.csv", newline="", encoding="utf-8") as file:
        head, *lines = csv.reader(file)
    assert head == ["path", "reason"]
    return [(path, reason) for path, reason in lines]
