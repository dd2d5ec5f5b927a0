"""The columns that a build keeps of each split, beside its records."""

import collections
import hashlib
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from agejax.data.records import Records
from agejax.errors import UserError

_JPEG = b"\xff\xd8\xff"  # how every JPEG begins


def add_row(columns: dict[str, list], label: dict[str, Any], digest: str, length: int) -> None:
    """Adds a stored image's row to the columns of its split."""
    for name, value in label.items():
        columns[name].append(value)
    columns["image_sha256"].append(digest.encode())  # NumPy has four bytes for a character of str
    columns["image_length"].append(length)


def image_starts(records: Records, columns: dict[str, list], workers: int) -> list[int]:
    """Where each image begins in its record, found by reading back what was written.

    Raises:
      UserError: a record does not hold its image.
    """

    def starts(rows: np.ndarray) -> list[int]:
        return [_start(columns, *pair) for pair in zip(rows, records.read(rows), strict=True)]

    count = len(columns["path"])
    pieces = np.array_split(np.arange(count), -(-count // 256))
    with ThreadPoolExecutor(workers) as pool:
        return [start for piece in pool.map(starts, pieces) for start in piece]


def _start(columns: dict[str, list], row: int, record: bytes) -> int:
    length, digest = columns["image_length"][row], columns["image_sha256"][row].decode()
    start = record.find(_JPEG)
    while start >= 0 and hashlib.sha256(record[start : start + length]).hexdigest() != digest:
        start = record.find(_JPEG, start + 1)
    if start < 0:
        path = columns["path"][row]
        raise UserError(f"the record of {path} is not what was written; build again")
    return start


def byte_identical(splits: dict[str, dict[str, list]]) -> dict[str, int]:
    """How many groups of byte-identical images there are, and how many of them disagree in age."""
    ages = collections.defaultdict(list)
    for columns in splits.values():
        for digest, age in zip(columns["image_sha256"], columns["age"], strict=True):
            ages[digest].append(age)
    groups = [group for group in ages.values() if len(group) > 1]
    return {"groups": len(groups), "of_different_ages": sum(len(set(g)) > 1 for g in groups)}
