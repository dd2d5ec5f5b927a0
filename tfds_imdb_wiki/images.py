"""What may enter the data set: JPEGs that decode completely and are no placeholders."""

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
