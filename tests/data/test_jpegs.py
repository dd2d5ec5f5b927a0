"""What is kept is what was read, each face is read once, and there is an end to the room."""

import numpy as np

from agejax.data.jpegs import Jpegs

IMAGES = [bytes([row]) * 2**18 for row in range(8)]  # a quarter of a MiB each


def reader():
    asked = []

    def read(rows):
        asked.append(rows.tolist())
        return [b"" if row == 7 else IMAGES[row] for row in rows]

    return read, asked


def test_each_is_read_once_also_one_that_cannot_be():
    read, asked = reader()
    jpegs = Jpegs(read, cache_mib=2)
    assert jpegs(np.array([3, 1, 3, 7])) == [IMAGES[3], IMAGES[1], IMAGES[3], b""]
    assert jpegs(np.array([7, 2, 1])) == [b"", IMAGES[2], IMAGES[1]]
    assert jpegs(np.array([2, 3])) == [IMAGES[2], IMAGES[3]]
    assert asked == [[3, 1, 3, 7], [2]]


def test_what_does_not_fit_is_read_again():
    read, asked = reader()
    jpegs = Jpegs(read, cache_mib=0.5)
    for _ in range(2):
        assert jpegs(np.arange(4)) == IMAGES[:4]
    assert asked == [[0, 1, 2, 3], [2, 3]]
