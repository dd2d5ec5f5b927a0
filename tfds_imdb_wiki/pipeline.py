"""The build's work on images as a Beam pipeline, for machines that a laptop is not.

The only room that knows Apache Beam, an extra: `agejax[beam]`. What Beam's workers find out of each
row, they note in text files beside the records, and the builder reads these afterwards.
"""

import dataclasses
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions

from tfds_imdb_wiki.archive import Piece
from tfds_imdb_wiki.images import stored

_NOTES = "notes-"


@dataclasses.dataclass(frozen=True)
class Row:
    """A face whose labels are good: its key, where its image is (None: nowhere), its labels."""

    key: int
    image: Piece | None
    label: dict[str, Any]


class Split(beam.PTransform):
    """A split's rows -> (key, example) of those whose images are good; notes of all, in files."""

    def __init__(self, split: str, rows: Iterable[Row], folder: Path):
        """`folder` is where records and notes are written, the same for all workers."""
        super().__init__()
        self._rows, self._notes = list(rows), str(folder / f"{_NOTES}{split}")

    def expand(self, pipeline: beam.Pipeline) -> beam.PCollection:
        """As Beam has it."""
        admitted = (
            pipeline
            | beam.Create(self._rows, reshuffle=True)
            | "Admit" >> beam.Map(lambda row: (row, *stored(row.image and row.image.read())))
        )
        notes = admitted | "Note" >> beam.Map(_note)
        _ = notes | beam.io.WriteToText(self._notes, ".jsonl")
        return admitted | "Examples" >> beam.FlatMap(_example)


def read_notes(folder: Path, split: str) -> Iterator[tuple[int, str, str, int]]:
    """(key, reason or "", SHA-256, bytes) of each row of a split, in order; removes their files."""
    found = {}
    for file in folder.glob(f"{_NOTES}{split}-*.jsonl"):
        for line in file.read_text(encoding="utf-8").splitlines():
            key, *note = json.loads(line)
            found[key] = note
        file.unlink()
    for key in sorted(found):
        reason, digest, length = found[key]
        yield key, reason, digest, length


def options(text: str) -> PipelineOptions:
    """Beam's options from "runner=DirectRunner,direct_num_workers=4", as `tfds build` has them."""
    return PipelineOptions([f"--{part}" for part in text.split(",") if part])


def _note(admitted: tuple[Row, bytes | str, str]) -> str:
    row, image, digest = admitted
    reason, length = (image, 0) if isinstance(image, str) else ("", len(image))
    return json.dumps([row.key, reason, digest, length])


def _example(admitted: tuple[Row, bytes | str, str]) -> Iterator[tuple[int, dict[str, Any]]]:
    row, image, _ = admitted
    if not isinstance(image, str):
        yield row.key, {"image": image, **row.label}
