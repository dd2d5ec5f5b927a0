"""What may enter the data set: JPEGs that decode completely and are no placeholders."""

import hashlib

from agejax.data.decode import BadImage, canonical, verify

MIN_SIDE = 16  # pixels


def admit(data: bytes) -> bytes | str:
    """A JPEG as it will be stored, or the reason why it is not: `undecodable` or `too_small`."""
    if data[:2] != b"\xff\xd8":
        return "undecodable"  # whatever else it is, it is no JPEG
    try:
        stored = canonical(data)
        height, width = verify(stored)
    except BadImage:
        return "undecodable"
    return stored if min(height, width) >= MIN_SIDE else "too_small"


def stored(data: bytes | None) -> tuple[bytes | str, str]:
    """A file as it will be stored, and its SHA-256; or the reason why it is not, and nothing."""
    image = "missing_file" if data is None else admit(data)
    return image, "" if isinstance(image, str) else hashlib.sha256(image).hexdigest()
