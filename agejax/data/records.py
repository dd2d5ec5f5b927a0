"""Reads JPEG bytes from array_record files in batches, without decoding their features."""

import glob
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from array_record.python.array_record_module import ArrayRecordReader, ArrayRecordWriter

from agejax.errors import UserError


class Records:
    """The records of a split's shards, in order. Safe to read from threads."""

    def __init__(
        self,
        shards: Sequence[Path],
        count: int,
        remedy: str = "build the data again, with --overwrite",
    ):
        """Opens the files; `shards` are in order and hold `count` records together.

        `remedy` is the advice in an error message.

        Raises:
          UserError: one is damaged, or they hold a different number.
        """
        self._readers = [_open(shard, remedy) for shard in shards]
        self._starts = np.cumsum([0, *(reader.num_records() for reader in self._readers)])

        if (there := int(self._starts[-1])) != count:  # a truncated file may look empty
            names = ", ".join(map(str, shards)) or "no file"
            raise UserError(f"{names}: {there:,} records in place of {count:,}; {remedy}")

    def read(self, rows: np.ndarray) -> list[bytes]:
        """The records at `rows`, int [n], b"" for damaged ones; one read per shard."""
        shards = np.searchsorted(self._starts, rows, "right") - 1
        found: list[bytes] = [b""] * len(rows)
        for shard in np.unique(shards):
            here = np.flatnonzero(shards == shard)
            wanted = (rows[here] - self._starts[shard]).tolist()
            for i, record in zip(here, self._read(shard, wanted), strict=True):
                found[i] = record
        return found

    def _read(self, shard: int, wanted: list[int]) -> list[bytes]:
        try:
            return self._readers[shard].read(wanted)
        except (RuntimeError, ValueError, IndexError):  # one damaged record fails the whole read
            halves = (wanted[: len(wanted) // 2], wanted[len(wanted) // 2 :])
            if not halves[0]:
                return [b""]
            return [record for half in halves for record in self._read(shard, half)]


def write_records(file: Path, records: Iterable[bytes]) -> int:
    """Writes one array_record file for images that are read at random; returns their number."""
    # JPEGs do not compress further; trying takes as long as writing them three times.
    writer = ArrayRecordWriter(str(file), "group_size:1,uncompressed")
    count = 0
    try:
        for count, record in enumerate(records, 1):  # noqa: B007
            writer.write(record)
    finally:
        writer.close()
    return count


def _open(shard: Path, remedy: str) -> ArrayRecordReader:
    try:
        # Records are read at random: no read-ahead.
        return ArrayRecordReader(str(shard), "readahead_buffer_size:0")
    except (RuntimeError, ValueError) as error:
        raise _damaged(shard, error, remedy) from error


def _damaged(shard: Path, error: Exception, remedy: str) -> UserError:
    return UserError(f"{shard} is damaged ({error}); {remedy}")


def shards_of(folder: Path, split: str) -> list[Path]:
    """The files of a split, as TFDS names them, in order."""
    return sorted(folder.glob(f"*-{glob.escape(split)}.array_record-*"))
