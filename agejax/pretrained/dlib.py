"""Networks of dlib -> {name: array}, without dlib.

A dlib file lists its layers from first to last: each has its name, and after the names con_4,
affine_ and fc_2 a tensor and the shape that it should have. An integer is stored as one byte with
its length in bytes, followed by these bytes. The rest is the state of layers without weights.
"""

import math
import re

import numpy as np

_LAYER = re.compile(rb"\x01.(con_4|affine_|fc_2)", re.DOTALL)  # a length, and the name


def is_dlib(data: bytes) -> bool:
    """Whether a file starts like dlib's networks: with a version and the name of the loss."""
    return data[:2] == b"\x01\x01" and data[4:9] == b"loss_"


def read_dlib(data: bytes) -> dict[str, np.ndarray]:
    """The weights of convolutions that are each followed by a scale and a bias per filter.

    Returns:
      {"con.0.weight": [out, in, h, w], "con.0.scale": [out], "con.0.bias": [out], "con.1.weight":
      ..., "fc.weight": [in, out]}, equivalent to the file's network. A convolution's own bias is
      merged into the affine bias. Filters are rescaled to the size of newly initialised ones (He et
      al., ICCV 2015) with smaller scales: dlib's, of some thousandths, would not survive a step of
      Adam.

    Raises:
      ValueError, IndexError: it is damaged, or another kind of network.
    """
    arrays: dict[str, np.ndarray] = {}
    at = count = 0
    weight, bias = np.empty((0, 0, 0, 0)), np.empty(0)
    while layer := _LAYER.search(data, at):
        if layer[1] == b"fc_2":
            (out, inputs), at = _numbers(data, layer.end(), 2)
            tensor, at = _tensor(data, at)
            arrays["fc.weight"] = tensor.reshape(inputs, out)
            continue
        tensor, at = _tensor(data, layer.end())
        if layer[1] == b"con_4":
            (out, h, w), at = _numbers(data, at, 3)
            weight, bias = tensor[:-out].reshape(out, -1, h, w), tensor[-out:]
            continue
        if not len(weight):
            raise ValueError("a scale and a bias without a convolution before")
        scale, offset = tensor.reshape(2, len(weight))
        with np.errstate(all="ignore"):  # non-finite numbers are rejected when they are loaded
            ratio = weight.std((1, 2, 3)) / math.sqrt(2 / weight[0].size)
            ratio[ratio == 0] = 1  # a filter of zeros
            arrays[f"con.{count}.weight"] = weight / ratio[:, None, None, None]
            arrays[f"con.{count}.scale"] = scale * ratio
            arrays[f"con.{count}.bias"] = offset + scale * bias
        weight = weight[:0]  # one scale per convolution, or a few bytes could copy it repeatedly
        count += 1
    return arrays


def _numbers(data: bytes, at: int, n: int) -> tuple[list[int], int]:
    """`n` non-negative integers, and the offset after them."""
    values = []
    for _ in range(n):
        size = data[at]
        values.append(int.from_bytes(data[at + 1 : at + 1 + size], "little"))
        at += 1 + size
        if size > 8 or at > len(data):
            raise ValueError(f"no integer at byte {at}")
    return values, at


def _tensor(data: bytes, at: int) -> tuple[np.ndarray, int]:
    """A tensor of version 2, flat: its four sides, and float32."""
    (version, *sides), at = _numbers(data, at, 5)
    end = at + 4 * math.prod(sides)
    if version != 2 or end > len(data):
        raise ValueError(f"no tensor at byte {at}")
    return np.frombuffer(data[at:end], "<f4"), end
