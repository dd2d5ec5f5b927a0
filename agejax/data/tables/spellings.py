"""Files by names that another system spells otherwise: `é` is one character, or two."""

import unicodedata
from pathlib import Path, PurePosixPath


def file_of(folder: Path, path: str) -> Path:
    """The file of a path below a folder, or absolute, in whichever normal form its name is there.

    macOS writes names decomposed (NFD), most others composed (NFC), and an archive carries either
    to the other. A path that is there as it stands, or not at all, is given back as it is.
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
