"""Limits the number of chunks in an image file, since readers look at each of them.

Thirty megabytes can hold millions of empty chunks, on which Pillow and the EXIF reader spend most
of a minute.
"""

from collections.abc import Callable

_MOST = 1_000  # plus one for each KiB: encoders write larger chunks of pixels


def too_many_chunks(data: bytes) -> bool:
    """Whether a PNG (its chunks) or a JPEG (the segments before its pixels) has far too many.

    False for other formats, and possibly for damaged files.
    """
    most = _MOST + len(data) // 1024
    if data[:2] == b"\xff\xd8":
        return _count(data, 2, most, _jpeg_segment)
    return data[:4] == b"\x89PNG" and _count(data, 8, most, _png_chunk)


def _count(data: bytes, at: int, most: int, length: Callable[[bytes, int], int]) -> bool:
    for _ in range(most):
        step = length(data, at)
        at += step
        if not step or at >= len(data):
            return False
    return True


def _jpeg_segment(data: bytes, at: int) -> int:
    """The length of the segment at `at`; 0 where the pixels begin, or if there is no segment."""
    if data[at : at + 1] != b"\xff" or data[at + 1 : at + 2] == b"\xda":
        return 0
    if data[at + 1 : at + 2] == b"\xff":  # a fill byte
        return 1
    return 2 + int.from_bytes(data[at + 2 : at + 4], "big")


def _png_chunk(data: bytes, at: int) -> int:
    """The length of the chunk at `at`; 0 for the last one."""
    if data[at + 4 : at + 8] == b"IEND":
        return 0
    return 12 + int.from_bytes(data[at : at + 4], "big")
