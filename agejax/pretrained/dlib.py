"""Networks of dlib -> {name: array}, without dlib.

A file of dlib is its layers from first to last: each has its name, and behind the names con_4,
affine_ and fc_2 a tensor, and what shape that is to have. A whole number is a byte that tells how
many bytes it takes, and those. What else is there is the state of layers without weights.
"""

import math
import re

import numpy as np

_LAYER = re.compile(rb"\x01.(con_4|affine_|fc_2)", re.DOTALL)  # a length, and the name


def is_dlib(data: bytes) -> bool:
    """Whether a file begins as dlib's networks do: with a version, and the name of the loss."""
    return data[:2] == b"\x01\x01" and data[4:9] == b"loss_"


def read_dlib(data: bytes) -> dict[str, np.ndarray]:
    """The weights of convolutions that are each followed by a factor and an offset a filter.

    Returns:
      {"con.0.weight": [out, in, h, w], "con.0.scale": [out], "con.0.bias": [out], "con.1.weight":
      ..., "fc.weight": [in, out]}, which compute what the file's network does. A convolution's own
      bias is in the offset; and each filter is as large as a new one's (He et al., ICCV 2015), its
      factor so much smaller: theirs are of some thousandths, and a step of Adam would undo them.

    Raises:
      ValueError, IndexError: it is broken, or of another kind of network.
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
            raise ValueError("a factor and an offset that follow no convolution")
        scale, offset = tensor.reshape(2, len(weight))
        with np.errstate(all="ignore"):  # numbers that are not finite, whoever loads them refuses
            ratio = weight.std((1, 2, 3)) / math.sqrt(2 / weight[0].size)
            ratio[ratio == 0] = 1  # a filter that tells nothing
            arrays[f"con.{count}.weight"] = weight / ratio[:, None, None, None]
            arrays[f"con.{count}.scale"] = scale * ratio
            arrays[f"con.{count}.bias"] = offset + scale * bias
        weight = weight[:0]  # one factor a convolution, or a few bytes would copy it again
        count += 1
    return arrays


def _numbers(data: bytes, at: int, n: int) -> tuple[list[int], int]:
    """`n` whole numbers that are not negative, and where they end."""
    values = []
    for _ in range(n):
        size = data[at]
        values.append(int.from_bytes(data[at + 1 : at + 1 + size], "little"))
        at += 1 + size
        if size > 8 or at > len(data):
            raise ValueError(f"no whole number at byte {at}")
    return values, at


def _tensor(data: bytes, at: int) -> tuple[np.ndarray, int]:
    """A tensor of version 2, flat: its four sides, and float32."""
    (version, *sides), at = _numbers(data, at, 5)
    end = at + 4 * math.prod(sides)
    if version != 2 or end > len(data):
        raise ValueError(f"no tensor at byte {at}")
    return np.frombuffer(data[at:end], "<f4"), end
