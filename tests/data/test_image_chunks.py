"""Files of millions of empty pieces are refused before anything looks at each."""

import struct
import time
import zlib

import pytest
from PIL import Image

from agejax.data.decode import BadImage, canonical, shape_of
from tests.photos import backdrop, encoded

N = 300_000


def chunk(kind, data=b""):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(before=b"", middle=b"", after=b""):
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 8, 8, 2, 0, 0, 0))
    pixels = chunk(b"IDAT", zlib.compress(bytes(8 * 25)))
    body = header + before + middle + pixels + after + chunk(b"IEND")
    return b"\x89PNG\r\n\x1a\n" + body


def jpeg(segments, mode="CMYK"):
    data = encoded(Image.new(mode, (8, 8)))
    return data[:2] + segments + data[2:]


@pytest.mark.parametrize(
    "data",
    [
        png(before=chunk(b"tEXt", b"a\0b") * N),
        png(middle=chunk(b"IDAT") * N),
        png(after=chunk(b"tEXt", b"a\0b") * N),
        jpeg(b"\xff\xe5\0\2" * N),
        jpeg(b"\xff" * N),
        jpeg(b"\xff\xe1\0\2" * N, "RGB"),
    ],
    ids=["before", "pixels", "after", "segments", "fill", "exif"],
)
def test_a_file_of_too_many_pieces_is_refused_at_once(data):
    start = time.thread_time()
    with pytest.raises(BadImage, match="too many"):
        shape_of(data)
    with pytest.raises(BadImage, match="too many"):
        canonical(data)
    assert time.thread_time() - start < 0.5


def test_ordinary_files_pass_whatever_follows_them():
    large = backdrop(1500, 1000)
    for data in (
        encoded(large),
        encoded(large, "PNG"),
        encoded(large, exif=b"Exif\0\0" + bytes(99)),
    ):
        assert shape_of(data + bytes(100_000)) == (1000, 1500)
