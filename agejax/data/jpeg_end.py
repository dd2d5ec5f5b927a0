"""Finds the end of a JPEG: phones may append a video, a second image or a trailer."""

import re
from collections.abc import Iterator

_SOI, _EOI, _SOS = 0xD8, 0xD9, 0xDA
_ALONE = {0x01, *range(0xD0, 0xD8), _SOI}  # markers without a length: TEM, RST0 to 7, SOI
# In a scan, FF 00 is a data byte and RST0 to 7 continue it; anything else is the next marker.
_MARKER = re.compile(rb"\xff+([^\x00\xff])")
_AFTER_SCAN = re.compile(rb"\xff+[^\x00\xff\xd0-\xd7]")


def scans_and_end(data: bytes) -> tuple[int, int]:
    """The number of scans of a JPEG, and the offset after its end-of-image marker.

    Segments are followed as in a decoder, so that neither a thumbnail in the metadata nor anything
    after the image counts. A truncated JPEG ends where its bytes end.
    """
    scans, end = 0, len(data)
    for marker, after in _markers(data):
        if marker == _SOS:
            scans += 1
        elif marker == _EOI:
            end = after
    return scans, end


def _markers(data: bytes) -> Iterator[tuple[int, int]]:
    """Each marker up to the end-of-image, with the offset after it."""
    at = 0
    while found := _MARKER.search(data, at):
        marker, at = found[1][0], found.end()
        yield marker, at
        if marker == _EOI:
            return
        if marker in _ALONE:
            continue
        at += max(int.from_bytes(data[at : at + 2], "big"), 2)
        if marker == _SOS:
            scan_end = _AFTER_SCAN.search(data, at)
            at = scan_end.start() if scan_end else len(data)
