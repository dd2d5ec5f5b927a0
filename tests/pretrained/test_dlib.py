"""A network of dlib's written by hand, byte by byte, and what is wrong with some; no dlib in it."""

import numpy as np
import pytest

from agejax.errors import UserError
from agejax.pretrained.readers import read_weights

RNG = np.random.default_rng(0)
FILTERS = RNG.normal(size=(4, 3, 5, 5)).astype(np.float32) * 1e-3
BIAS, SCALE, OFFSET = RNG.normal(size=(3, 4)).astype(np.float32)
EMBEDDING = RNG.normal(size=(4, 2)).astype(np.float32)


def number(n):
    size = (n.bit_length() + 7) // 8
    return bytes([size]) + n.to_bytes(size, "little")


def name(text):
    return number(len(text)) + text.encode()


def tensor(*arrays):
    flat = np.concatenate([x.ravel() for x in arrays])
    return b"".join(map(number, (2, len(flat), 1, 1, 1))) + flat.tobytes()


def network(*, of_filters=None):
    between = name("relu_") + b"110" + 5 * number(0)
    con = name("con_4") + (of_filters or tensor(FILTERS, BIAS)) + number(4) + number(5) + number(5)
    affine = name("affine_") + tensor(SCALE, OFFSET)
    fc = name("fc_2") + number(2) + number(4) + tensor(EMBEDDING)
    return number(1) + name("loss_metric_2") + 2 * (con + between + affine + between) + fc + between


def read(tmp_path, data):
    file = tmp_path / "net.dat"
    file.write_bytes(data)
    return read_weights(file)


def test_arrays_compute_what_the_file_does(tmp_path):
    arrays = read(tmp_path, network())
    of_each = {f"con.{i}.{leaf}" for i in range(2) for leaf in ("weight", "scale", "bias")}
    assert arrays.keys() == of_each | {"fc.weight"}
    np.testing.assert_array_equal(arrays["fc.weight"], EMBEDDING)
    window = RNG.normal(size=(3, 5, 5))
    theirs = SCALE * ((FILTERS * window).sum((1, 2, 3)) + BIAS) + OFFSET
    ours = {leaf: arrays[f"con.1.{leaf}"] for leaf in ("weight", "scale", "bias")}
    filtered = (ours["weight"] * window).sum((1, 2, 3))
    np.testing.assert_allclose(ours["scale"] * filtered + ours["bias"], theirs, rtol=1e-4)


def test_filters_are_as_large_as_new_ones(tmp_path):
    weight = read(tmp_path, network())["con.0.weight"]
    np.testing.assert_allclose(weight.std((1, 2, 3)), np.sqrt(2 / 75), rtol=1e-5)


@pytest.mark.parametrize(
    "data",
    [
        network()[:200],
        network(of_filters=number(2) + number(2**62) + 3 * number(1)),
        network(of_filters=number(1) + number(304) + 3 * number(1) + FILTERS.tobytes()),
        network(of_filters=tensor(FILTERS)),
        number(1) + name("loss_metric_2"),
    ],
    ids=["cut short", "larger than the file", "another version", "no bias", "no layers"],
)
def test_a_broken_file_is_told_in_a_line(tmp_path, data):
    with pytest.raises(UserError, match=r"net\.dat( is damaged|: it contains no arrays)") as error:
        read(tmp_path, data)
    assert "\n" not in str(error.value)
