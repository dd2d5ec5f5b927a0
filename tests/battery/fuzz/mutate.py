"""Damage, as bytes, cells and arguments suffer it."""

import os

# What numbers, names and paths go wrong at.
ODD = (
    *("", " ", "0", "-1", "1e9", "nan", "inf", "-inf", "1e-320", "0x1f", "1_0", "9" * 400, "None"),
    *("True", "false", "[", "]", "{}", "()", "(1, 2)", "((64, 10),)", "'", '"', "'x'", "\\", "\t"),
    *("%s", "{}{}", "$HOME", "~", ".", "..", "/", "//", "../../etc/passwd", "/dev/null", "-", "--"),
    *("=", ",", ";", "a=b", "é", "年齢", "\u202e", "\x7f", "\ufeff", "\U0001f642", "x" * 5000),
    *("os:system", "agejax.models.cnn:SmallCNN", "a.b:c", ":", "best", "latest", "test", "age"),
)


def damaged(data: bytes, rng, head: int = 64) -> bytes:
    """A damaged copy: bytes changed, cut, doubled, or set to what lengths and sizes go wrong at.

    Half of what is done falls into the first `head` bytes: headers are short, and most of what can
    go wrong stands there.
    """
    copy = bytearray(data)
    for _ in range(int(rng.integers(1, 4))):
        end = len(copy) if rng.random() < 0.5 else min(head, len(copy))
        at = int(rng.integers(0, max(end, 1)))
        match one_of(rng, ("bit", "bit", "bit", "byte", "size", "size", "doubled", "gone", "cut")):
            case "bit" if copy:
                copy[min(at, len(copy) - 1)] ^= 1 << int(rng.integers(0, 8))
            case "byte":
                copy[at : at + 1] = bytes([int(rng.integers(0, 256))])
            case "size":
                sizes = (b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x7f\xff\xff\xff", b"\xff\xff\xff\x7f")
                copy[at : at + 4] = one_of(rng, sizes)
            case "doubled":
                copy[at:at] = copy[at : at + int(rng.integers(1, 400))]
            case "gone":
                copy[at : at + int(rng.integers(1, 40))] = b""
            case "cut":
                copy[at:] = b""
    return bytes(copy)


def one_of(rng, values):
    """One of them."""
    return values[int(rng.integers(0, len(values)))]


def odd(rng) -> str:
    """Something that nobody means, as a system can pass it to a program."""
    if rng.random() < 0.1:
        return os.fsdecode(bytes(rng.integers(1, 256, int(rng.integers(1, 9)), dtype="uint8")))
    return one_of(rng, ODD)
