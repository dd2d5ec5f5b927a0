"""Rows whose labels are usable, before their images have been read."""

import dataclasses
from typing import Any

from tfds_imdb_wiki.archive import Archive, Piece
from tfds_imdb_wiki.images import stored


@dataclasses.dataclass(slots=True)
class Candidate:
    """A row whose labels are usable; its image is `name` in `archive`, and not yet read."""

    path: str
    label: dict[str, Any]
    archive: Archive
    name: str

    def read(self) -> bytes | None:
        """The bytes of its image; None where the archive has none."""
        return self.archive.read(self.name)

    def piece(self) -> Piece | None:
        """Where its image is stored; None where the archive has none."""
        return self.archive.piece(self.name)


def stored_images(rows: list[Candidate]) -> list[tuple[bytes | str, str]]:
    """As `images.stored`, of each row's image."""
    return [stored(row.read()) for row in rows]
