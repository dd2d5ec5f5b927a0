"""Weight files written by hand, byte by byte, and what is wrong with some; no torch in it."""

import io
import json
import os
import pickle
import zipfile

import numpy as np
import pytest

from agejax.errors import UserError
from agejax.pretrained.readers import read_weights

A = np.arange(6, dtype=np.float32).reshape(2, 3)
B = np.array([1.5, -2.0], np.float16)


def safetensors(header=None, body=None, length=None):
    header = header or {
        "__metadata__": {"format": "pt"},
        "a": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]},
        "b": {"dtype": "F16", "shape": [2], "data_offsets": [24, 28]},
    }
    text = json.dumps(header).encode()
    body = A.tobytes() + B.tobytes() if body is None else body
    return (len(text) if length is None else length).to_bytes(8, "little") + text + body


def npz():
    stream = io.BytesIO()
    np.savez(stream, a=A, b=B)
    return stream.getvalue()


def literal(value):
    """The instructions that push a value."""
    return pickle.dumps(value, protocol=2)[2:-1]


def tensor(key, kind, count, shape, strides, view=b""):
    storage = b"((" + literal("storage") + b"ctorch\n" + kind + b"Storage\n" + literal(key)
    storage = storage[1:] + literal("cpu") + literal(count) + view + b"tQ"
    rest = literal(0) + literal(shape) + literal(strides) + b"\x89ccollections\nOrderedDict\n)R"
    return b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + rest + b"tR"


def state_dict(view=b""):
    """Two tensors in an OrderedDict with `_metadata`, as torch writes them."""
    a = literal("a") + tensor("0", b"Float", 6, (2, 3), (3, 1), view)
    b = literal("b") + tensor("1", b"Half", 2, (2,), (1,), view)
    metadata = b"}" + literal("_metadata") + b"}sb"
    return b"\x80\x02ccollections\nOrderedDict\n)R(" + a + b + b"u" + metadata + b"."


def torch_zip(program=None, compression=zipfile.ZIP_STORED, **members):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", compression) as archive:
        archive.writestr("net/data.pkl", state_dict() if program is None else program)
        for name, data in {"0": A.tobytes(), "1": B.tobytes(), **members}.items():
            archive.writestr(f"net/data/{name}" if name in "01" else f"net/{name}", data)
    return stream.getvalue()


def torch_legacy(program=None):
    system = {"protocol_version": 1001, "little_endian": True, "type_sizes": {"int": 4}}
    parts = [0x1950A86A20F9469CFC6C, 1001, system]
    pickles = [pickle.dumps(part, protocol=2) for part in parts]
    pickles += [program or state_dict(view=b"N"), pickle.dumps(["0", "1"], protocol=2)]
    numbers = [len(x.ravel()).to_bytes(8, "little") + x.tobytes() for x in (A, B)]
    return b"".join(pickles + numbers)


KINDS = {"safetensors": safetensors, "npz": npz, "zip": torch_zip, "legacy": torch_legacy}


@pytest.fixture
def read(tmp_path):
    def read(data):
        path = tmp_path / "weights"
        path.write_bytes(data)
        return read_weights(path)

    return read


@pytest.mark.parametrize("kind", KINDS)
def test_arrays_come_as_float32(read, kind):
    arrays = read(KINDS[kind]())
    assert sorted(arrays) == ["a", "b"]
    assert all(x.dtype == np.float32 for x in arrays.values())
    np.testing.assert_array_equal(arrays["a"], A)
    np.testing.assert_array_equal(arrays["b"], B.astype(np.float32))


@pytest.mark.parametrize("kind", KINDS)
def test_a_truncated_file_is_refused_wherever_it_ends(read, kind):
    whole = KINDS[kind]()
    for length in range(len(whole)):
        with pytest.raises(UserError) as error:
            read(whole[:length])
        assert "\n" not in str(error.value)


@pytest.mark.parametrize("kind", KINDS)
def test_a_broken_byte_gives_arrays_or_a_line(read, kind):
    whole = KINDS[kind]()
    refused = 0
    for place in range(len(whole)):
        for bits in (0x01, 0x80, 0xFF):
            broken = bytearray(whole)
            broken[place] ^= bits
            try:
                read(bytes(broken))
            except UserError:
                refused += 1
    assert refused > len(whole) / 2


class Evil:
    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("wrap", [torch_zip, torch_legacy, lambda program: program])
@pytest.mark.parametrize("protocol", [2, 4])
def test_code_in_a_pickle_is_never_run(read, tmp_path, wrap, protocol):
    trace = tmp_path / "trace"
    for evil in (Evil(os.system, f"touch {trace}"), Evil(eval, f"open({str(trace)!r}, 'w')")):
        for value in (evil, {"a": evil}, [evil], {"state_dict": {"a": evil}}):
            with pytest.raises(UserError, match=r"refers to '(posix.system|.*builtin.*\.eval)'"):
                read(wrap(pickle.dumps(value, protocol)))
    assert not trace.exists()


def calls(function):
    """Programs that call, in each of the ways there are."""
    yield b"\x80\x02" + function + b"(" + literal("touch /tmp/agejax") + b"tR."
    yield b"\x80\x02(ios\nsystem\n."
    yield b"\x80\x02(" + function + literal("touch /tmp/agejax") + b"o."
    yield b"\x80\x02" + function + literal(()) + b"\x81."
    yield b"\x80\x02\x82\x01."


def test_no_other_instruction_calls(read):
    for function in (b"cos\nsystem\n", b"ccollections\nOrderedDict\n", b"ctorch\nFloatStorage\n"):
        for program in calls(function):
            with pytest.raises(UserError):
                read(torch_zip(program))


@pytest.mark.parametrize(
    ("shape", "strides", "count"),
    [
        ((2, 4), (3, 1), 6),  # beyond the storage
        ((2, 3), (3, 1), 7),  # a storage beyond its numbers
        ((10**9, 10**9), (0, 0), 6),  # small in the file, large in memory
        ((-1, -6), (1, 1), 6),
        ((2, 3), (-3, 1), 6),
        ((2, 3), (1,), 6),
        (("x",), (1,), 6),
        ((2.0,), (1,), 6),
    ],
)
def test_a_tensor_that_reaches_too_far_is_refused(read, shape, strides, count):
    item = literal("a") + tensor("0", b"Float", count, shape, strides)
    with pytest.raises(UserError, match=r"damaged|larger"):
        read(torch_zip(b"\x80\x02}" + item + b"s."))


def test_many_views_of_the_same_numbers_do_not_fill_the_memory(read):
    items = b"".join(literal(f"x{i}") + tensor("0", b"Float", 6, (6,), (1,)) for i in range(9999))
    large = torch_zip(b"\x80\x02}(" + items + b"u.", **{"0": bytes(24)})
    assert len(read(large)) == 9999  # the words are longer than the numbers
    numbers = np.zeros(1 << 20, np.float32).tobytes()
    items = b"".join(
        literal(f"x{i}") + tensor("0", b"Float", 1 << 20, (1 << 20,), (1,)) for i in range(99)
    )
    with pytest.raises(UserError, match="larger than the file"):
        read(torch_zip(b"\x80\x02}(" + items + b"u.", **{"0": numbers}))


def test_what_loops_or_nests_without_end_is_refused(read):
    loop = b"\x80\x02}q\x00" + literal("state_dict") + b"h\x00s."
    with pytest.raises(UserError):
        read(torch_zip(loop))
    with pytest.raises(UserError):
        read(torch_zip(b"\x80\x02}" + b")" + b"\x85" * 100_000 + literal(1) + b"s."))
    with pytest.raises(UserError):
        read(len(b"{" + b"[" * 99_999).to_bytes(8, "little") + b"{" + b"[" * 99_999)


@pytest.mark.parametrize(
    "entry",
    [
        {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 28]},
        {"dtype": "F32", "shape": [2, 3], "data_offsets": [8, 32]},
        {"dtype": "F32", "shape": [2, 3], "data_offsets": [-24, 0]},
        {"dtype": "F32", "shape": [-2, -3], "data_offsets": [0, 24]},
        {"dtype": "F32", "shape": [2**40, 2**40], "data_offsets": [0, 24]},
        {"dtype": "F32", "shape": [True, 6], "data_offsets": [0, 24]},
        {"dtype": "F99", "shape": [2, 3], "data_offsets": [0, 24]},
        {"dtype": "F32", "shape": "23", "data_offsets": [0, 24]},
        {"dtype": "F32", "data_offsets": [0, 24]},
        [],
    ],
)
def test_a_safetensors_entry_that_cannot_be_is_refused(read, entry):
    with pytest.raises(UserError):
        read(safetensors({"a": entry}, bytes(28)))


@pytest.mark.parametrize("length", [0, 10**6, 2**63, 2**64 - 1])
def test_a_safetensors_header_of_a_wrong_length_is_refused(read, length):
    with pytest.raises(UserError):
        read(safetensors(length=length))


def test_bfloat16_and_float64_and_integers(read):
    header = {
        "b": {"dtype": "BF16", "shape": [2], "data_offsets": [0, 4]},
        "d": {"dtype": "F64", "shape": [1], "data_offsets": [4, 12]},
        "n": {"dtype": "I64", "shape": [], "data_offsets": [12, 20]},
        "z": {"dtype": "F32", "shape": [0, 3], "data_offsets": [20, 20]},
    }
    body = np.array([0x3FC0, 0xC000], "<u2").tobytes() + np.float64(0.25).tobytes()
    arrays = read(safetensors(header, body + np.int64(7).tobytes()))
    np.testing.assert_array_equal(arrays["b"], np.array([1.5, -2], np.float32))
    assert arrays["d"] == np.float32(0.25)
    assert arrays["n"] == 7
    assert arrays["z"].shape == (0, 3)


def test_wrapped_dicts_and_prefixes_are_taken_off(read):
    item = literal("module.a") + tensor("0", b"Float", 6, (3, 2), (1, 3))
    inner = b"}" + item + b"s"
    rest = literal("epoch") + literal(3) + literal("arch") + literal("resnet18")
    program = b"\x80\x02}(" + rest + literal("state_dict") + inner + b"u."
    arrays = read(torch_zip(program, byteorder=b"little"))
    np.testing.assert_array_equal(arrays["a"], A.T)
    with pytest.raises(UserError, match="big-endian"):
        read(torch_zip(byteorder=b"big"))


def test_other_files_are_told_apart(read):
    cases = {
        "not a safetensors": b"\xff\xd8 a picture, or whatever it may be",
        "not torch's": pickle.dumps({"a": 1}),
        "before 0.2": bytes(257) + b"ustar",
        "no arrays": safetensors({"__metadata__": {}}, b""),
        "no dict of tensors": torch_zip(b"\x80\x02K\x01."),
        "compressed": torch_zip(compression=zipfile.ZIP_DEFLATED),
        "BINBYTES": torch_zip(pickle.dumps(b"x" * 300, protocol=3)),
    }
    for words, data in cases.items():
        with pytest.raises(UserError, match=words):
            read(data)


def test_an_npz_of_objects_or_of_false_sizes_is_refused(read):
    stream = io.BytesIO()
    np.savez(stream, a=np.array([Evil(os.system, "true")], object))
    with pytest.raises(UserError, match="dtype object"):
        read(stream.getvalue())
    member = io.BytesIO()
    np.save(member, A)
    for data in (member.getvalue().replace(b"(2, 3)", b"(9, 9)"), member.getvalue()[:-1]):
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w") as file:
            file.writestr("a.npy", data)
        with pytest.raises(UserError):
            read(archive.getvalue())
    archive = io.BytesIO()
    np.savez_compressed(archive, a=np.zeros(10**6))
    with pytest.raises(UserError, match="to unpack to"):
        read(archive.getvalue())


def test_a_missing_file_is_the_systems_to_tell(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_weights(tmp_path / "nothing.pth")
