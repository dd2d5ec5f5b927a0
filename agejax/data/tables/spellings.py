"""Finds files whose names have another Unicode normal form: `é` is one character, or two."""

import unicodedata
from pathlib import Path, PurePosixPath


def file_of(folder: Path, path: str) -> Path:
    """The file at a path below a folder, or absolute, whichever normal form its name has on disk.

    macOS writes names decomposed (NFD), most other systems composed (NFC), and an archive carries
    either to the other. A path that exists as given, or not at all, is returned unchanged.
    """
    whole = folder / path
    if path.isascii() or whole.exists():
        return whole
    found = folder
    for part in PurePosixPath(path).parts:
        spellings = (part, unicodedata.normalize("NFC", part), unicodedata.normalize("NFD", part))
        there = (found / name for name in spellings if (found / name).exists())
        if (step := next(there, None)) is None:
            return whole
        found = step
    return found
