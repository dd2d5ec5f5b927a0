"""The EXIF orientation of an image, and turning pixels upright.

Pillow reads EXIF too, but warns about invalid metadata; here it means that nothing is turned.
"""

import struct

import numpy as np

_ORIENTATION = 0x0112  # EXIF 2.3, 4.6.4: tag 274, a SHORT of 1 to 8
_MAX_ENTRIES = 200


def jpeg_orientation(data: bytes) -> int:
    """The orientation, 1 to 8, in a JPEG's EXIF data; 1, upright, if there is none."""
    at = 2
    while data[at : at + 1] == b"\xff" and len(data) >= at + 4:
        marker, length = data[at + 1], int.from_bytes(data[at + 2 : at + 4], "big")
        if marker in (0xD9, 0xDA) or length < 2:  # pixel data begins; EXIF comes before it
            break
        if marker == 0xE1 and data[at + 4 : at + 10] == b"Exif\0\0":
            return orientation(data[at + 10 : at + 2 + length])
        at += 2 + length
    return 1


def orientation(exif: bytes) -> int:
    """The orientation, 1 to 8, in EXIF bytes (a TIFF header and what follows); 1 if invalid."""
    exif = exif.removeprefix(b"Exif\0\0")
    order = {b"II": "<", b"MM": ">"}.get(exif[:2])
    if order is None or len(exif) < 8:
        return 1
    (first,) = struct.unpack_from(f"{order}I", exif, 4)
    if first + 2 > len(exif):
        return 1
    (entries,) = struct.unpack_from(f"{order}H", exif, first)
    for i in range(min(entries, _MAX_ENTRIES)):
        start = first + 2 + 12 * i
        if start + 12 > len(exif):
            return 1
        tag, kind, count, value = struct.unpack_from(f"{order}HHIH", exif, start)
        if tag == _ORIENTATION:
            return value if kind == 3 and count == 1 and 1 <= value <= 8 else 1
    return 1


def upright(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """[h, w, ...] as stored -> turned upright; orientations 5 to 8 swap the sides."""
    if orientation >= 5:
        pixels = pixels.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):  # the first row is at the bottom
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):  # the first column is at the right
        pixels = pixels[:, ::-1]
    return np.ascontiguousarray(pixels)
