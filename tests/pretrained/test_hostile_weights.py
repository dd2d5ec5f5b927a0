"""Published weights made to take for ever or to fill the memory: the file's size bounds both."""

import io
import json
import tracemalloc
import zipfile
import zlib

import numpy as np
import pytest

from agejax.data.npz import read_npz
from agejax.errors import UserError
from agejax.pretrained import torch_pickle
from agejax.pretrained.readers import read_weights
from tests.pretrained.test_dlib import name, number, tensor
from tests.pretrained.test_readers import (
    A,
    literal,
    safetensors,
    state_dict,
    torch_legacy,
    torch_zip,
)
from tests.pretrained.test_readers import tensor as torch_tensor

DOUBLED = 60  # times: 2**60 leaves in some 300 bytes


def pushed(before: bytes, after: bytes) -> bytes:
    """A program that pushes a tuple of a tuple twice, and so on, between two parts.

    BUILD takes each from the stack again, down to a `None`.
    """
    steps = (bytes([*b"h", i, *b"h", i, *b"\x86q", i + 1, *b"b"]) for i in range(DOUBLED))
    made = b"\x80\x02N" + b")q\x00b" + b"".join(steps)
    return made + before + bytes([*b"h", DOUBLED]) + after + b"."


GLOBAL = b"ctorch\nFloatStorage\n"
STORAGE = b"(" + literal("storage")
PROGRAMS = {
    "a storage's type": pushed(STORAGE, literal("0") + literal("cpu") + literal(6) + b"tQ"),
    "a storage's key": pushed(STORAGE + GLOBAL, literal("cpu") + literal(6) + b"tQ"),
    "a storage's count": pushed(STORAGE + GLOBAL + literal("0") + literal("cpu"), b"tQ"),
    "a storage": pushed(b"", b"Q"),
    "what is called": pushed(b"", b")R"),
    "what a call is given": pushed(b"ccollections\nOrderedDict\n", b"\x85R"),
    "a shape": pushed(b"ctorch\nSize\n", b"\x85R"),
    "a module's name": pushed(b"", literal("x") + b"\x93"),
    "a name in a module": pushed(literal("torch"), b"\x93"),
    "a key": pushed(b"}", b"K\x01s"),
    "the value": pushed(b"", b""),
    "a tensor's name": pushed(b"}", torch_tensor("0", b"Float", 6, (6,), (1,)) + b"s"),
}


@pytest.fixture
def refused(tmp_path):
    """What is said of data, and at most how many bytes were allocated for it."""

    def read(data):
        file = tmp_path / "weights"
        file.write_bytes(data)
        tracemalloc.start()
        try:
            with pytest.raises(UserError) as error:
                read_weights(file)
            _, most = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert "\n" not in str(error.value)
        assert len(str(error.value)) < 600
        return str(error.value), most

    return read


@pytest.mark.parametrize("wrap", [torch_zip, torch_legacy, bytes], ids=["zip", "legacy", "pickle"])
@pytest.mark.parametrize("program", PROGRAMS)
def test_a_tuple_of_tuples_is_never_hashed_compared_or_shown(refused, wrap, program):
    said, most = refused(wrap(PROGRAMS[program]))
    assert most < 5 << 20


def test_a_legacy_storage_is_named_by_a_word(refused):
    whole = torch_legacy()
    keys = whole.rindex(b"\x80\x02]")
    assert "not a string" in refused(whole[:keys] + pushed(b"]", b"a"))[0]


def many(n, item, call=b"R"):
    """A value of n items, and as many calls that would each copy it."""
    value = b"(" + item * n + b"tq\x00"
    return b"\x80\x02N" + value + b"b" + (b"ctorch\nSize\nh\x00\x85" + call + b"b") * n + b"."


@pytest.mark.parametrize(
    "program",
    [
        many(20_000, b"K\x01"),
        many(20_000, b"K\x01").replace(b"torch\nSize", b"collections\nOrderedDict"),
        b"\x80\x02N" + b"(" + b"K\x01" * 20_000 + b"tq\x00b" + b"h\x00Qb" * 20_000 + b".",
        b"\x80\x02}(" + b"".join(literal(i * (2**61 - 1)) + b"N" for i in range(1, 9999)) + b"u.",
        b"\x80\x02}" + literal("a")
        + torch_tensor("0", b"Float", 6, (2**31 - 1,) * 9999, (1,) * 9999) + b"s.",
    ],
    ids=["shapes", "dicts", "storages", "keys of one hash", "sides"],
)  # fmt: skip
def test_work_does_not_grow_faster_than_the_file(refused, program):
    data = torch_zip(program)
    _, most = refused(data)
    assert most < 100 * len(data) + (5 << 20)


def test_a_pickle_is_as_long_as_that_of_a_network(refused, monkeypatch):
    monkeypatch.setattr(torch_pickle, "_MOST", 1000)
    assert "longer than" in refused(torch_zip(b"\x80\x02" + b"}" * 1000 + b"."))[0]


def test_wrappers_that_hold_one_another_are_looked_into_a_few_times(refused):
    loop = b"\x80\x02}q\x00(" + literal("model") + b"h\x00" + literal("x") + b"Nu."
    assert "no dict of tensors" in refused(torch_zip(loop))[0]


def test_safetensors_that_share_bytes_are_refused(refused):
    n, body = 500, np.zeros(1 << 18, np.float16).tobytes()
    entry = {"dtype": "F16", "shape": [1 << 18], "data_offsets": [0, len(body)]}
    said, most = refused(safetensors({f"x{i}": entry for i in range(n)}, body))
    assert "overlap" in said
    assert most < 20 << 20
    inside = {
        "a": {"dtype": "F32", "shape": [6], "data_offsets": [0, 24]},
        "b": {"dtype": "F32", "shape": [1], "data_offsets": [4, 8]},
    }
    assert "overlap" in refused(safetensors(inside, A.tobytes()))[0]


@pytest.mark.parametrize("shape", [[2**62] * 30_000, [0] * 99, [10**4000] * 9])
def test_a_shape_is_looked_at_before_its_numbers_are_multiplied(refused, shape):
    refused(safetensors({"a": {"dtype": "F32", "shape": shape, "data_offsets": [0, 24]}}))


@pytest.mark.parametrize("length", [0x80, 0x180, 0x4B50])
def test_a_header_whose_length_begins_as_another_kind_does_is_read(tmp_path, length):
    header = {"a": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}}
    text = json.dumps(header).encode().ljust(length)
    file = tmp_path / "x.safetensors"
    file.write_bytes(length.to_bytes(8, "little") + text + A.tobytes())
    np.testing.assert_array_equal(read_weights(file)["a"], A)


def zipped(members, compression=zipfile.ZIP_DEFLATED):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", compression) as archive:
        for member, data in members.items():
            archive.writestr(member, data)
    return bytearray(stream.getvalue())


def npy(array):
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def lying(size):
    """An archive that unpacks to 4 MiB and says `size`."""
    data = npy(np.zeros(1 << 20, np.float32))
    archive = zipped({"a.npy": data})
    claim = len(data).to_bytes(4, "little")
    assert archive.count(claim) == 2
    return bytes(archive.replace(claim, size.to_bytes(4, "little")))


@pytest.mark.parametrize("compression", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_an_npz_unpacks_to_no_more_than_its_size_allows(refused, compression):
    zeros = npy(np.zeros(1 << 20, np.float32))
    for archive in (
        lying(1000),
        bytes(zipped({f"{i}.npy": zeros for i in range(3)})),
        bytes(zipped({"a.npy": zeros}, compression)),
    ):
        _, most = refused(archive)
        assert most < 2 << 20


def test_zip_members_that_share_bytes_are_refused(refused):
    archive = bytearray(torch_zip(**{"0": np.zeros(1 << 16, np.float32).tobytes()}))
    end = archive.rindex(b"PK\x05\x06")
    start = archive.index(b"PK\x01\x02")
    entry = archive.index(b"PK\x01\x02", start + 4)  # of net/data/0
    (length,) = [archive.index(b"PK\x01\x02", entry + 4) - entry]
    copies = []
    for i in range(900):
        copy = archive[entry : entry + length]
        copy[46 : 46 + 10] = f"net/x{i:05}"[:10].encode()
        copies.append(bytes(copy))
    body = bytes(archive[start:end]) + b"".join(copies)
    tail = archive[end:]
    tail[8:12] = 2 * (3 + len(copies)).to_bytes(2, "little")
    tail[12:16] = len(body).to_bytes(4, "little")
    _, most = refused(bytes(archive[:start]) + body + bytes(tail))
    assert most < 5 << 20


def test_one_convolution_is_not_copied_for_many_factors(refused):
    con = name("con_4") + tensor(np.zeros((1, 1, 500, 500), np.float32), np.zeros(1, np.float32))
    con += number(1) + number(500) + number(500)
    affine = name("affine_") + tensor(np.ones(1, np.float32), np.ones(1, np.float32))
    said, most = refused(number(1) + name("loss_metric_2") + con + 500 * affine)
    assert "without a convolution" in said
    assert most < 10 << 20


@pytest.mark.parametrize("called", ["a\nb", "a\x1b[2J", "x" * 100_000])
def test_names_are_words_that_can_be_printed(refused, called):
    entry = {"dtype": "F32", "shape": [6], "data_offsets": [0, 24]}
    assert "invalid name" in refused(safetensors({called: entry}))[0]


def test_what_is_no_file_is_not_read_to_its_end():
    with pytest.raises(UserError, match="not a file"):
        read_weights("/dev/zero")


def test_predictions_of_others_are_read_by_the_same_rules(tmp_path):
    file = tmp_path / "test.npz"
    np.savez_compressed(file, path=np.array(["a", "b"]), p=np.ones((2, 3)), empty=np.zeros(0))
    arrays = read_npz(file)
    assert arrays["path"].tolist() == ["a", "b"]
    assert arrays["p"].flags.writeable
    huge = npy(A).replace(b"(2, 3)", b"(2**9)")
    words = npy(np.array(["x"])).replace(b"<U1", b"<U0")
    objects = io.BytesIO()
    np.save(objects, np.array([{}], object))
    stored = npy(A).replace(b"'shape': (2, 3), }       ", b"'shape': (99999999999,), }")
    for member in (huge, words, objects.getvalue(), stored, b"", zlib.compress(npy(A))):
        file.write_bytes(zipped({"a.npy": member}))
        with pytest.raises((ValueError, LookupError, EOFError, OSError, zipfile.BadZipFile)):
            read_npz(file)
    file.write_bytes(lying(1000))
    with pytest.raises((ValueError, zipfile.BadZipFile), match="have the size that|CRC"):
        read_npz(file)


def test_what_torch_writes_is_still_read(tmp_path):
    file = tmp_path / "weights.pth"
    for data in (torch_zip(), torch_legacy(), torch_legacy(state_dict(view=b"N"))):
        file.write_bytes(data)
        assert read_weights(file).keys() == {"a", "b"}
