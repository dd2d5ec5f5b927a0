"""A model in one file: what is read is what was written, and nothing of it is believed unseen."""

import dataclasses
import json

import jax
import numpy as np
import pytest

import agejax
from agejax.checkpoints import weights_file
from agejax.checkpoints.run_dir import read_checkpoint
from agejax.errors import UserError
from agejax.pretrained import safetensors_format
from agejax.pretrained.readers import read_weights


@pytest.fixture(scope="module")
def model(run):
    return read_checkpoint(run)


@pytest.fixture
def file(model, tmp_path):
    return written(tmp_path / "model.safetensors", model)


def written(path, model, dtype="float32"):
    with open(path, "wb") as out:
        weights_file.write(out, model, dtype)
    return path


def parts(path):
    """{key: text} of the metadata, and the arrays."""
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    header = safetensors_format.parse(data[8 : 8 + length], len(data) - 8 - length)
    return header.metadata, safetensors_format.arrays_of(header, data[8 + length :])


def rewritten(path, metadata=(), arrays=(), *, resealed=True):
    """The file with other contents, and the hash of these."""
    texts, held = parts(path)
    texts, held = {**texts, **dict(metadata)}, {**held, **dict(arrays)}
    texts = {key: text for key, text in texts.items() if text is not None}
    held = {name: x for name, x in held.items() if x is not None}
    if resealed and "sha256" in texts:
        texts["sha256"] = weights_file._digest(texts, ((name, held[name]) for name in sorted(held)))
    with open(path, "wb") as out:
        safetensors_format.write(out, held, texts)
    return path


def test_a_file_of_float32_is_the_checkpoint(model, file):
    found = read_checkpoint(file)
    assert (found.step, found.calibration, found.margin) == (
        model.step,
        model.calibration,
        model.margin,
    )
    assert found.licence == model.licence
    jax.tree.map(np.testing.assert_array_equal, dict(found.weights), dict(model.weights))
    assert read_checkpoint(file, str(model.step)).where == str(file)
    with pytest.raises(UserError, match=f"no checkpoint '7'; it holds step {model.step}"):
        read_checkpoint(file, "7")


def test_float16_rounds_kernels_and_keeps_vectors(model, tmp_path):
    found = read_checkpoint(written(tmp_path / "m", model, "float16")).weights

    def compare(ours, theirs):
        expected = theirs.astype(np.float16) if theirs.ndim > 1 else theirs
        np.testing.assert_array_equal(ours, expected.astype(theirs.dtype))

    jax.tree.map(compare, dict(found), dict(model.weights))


def test_other_readers_of_safetensors_find_the_arrays(model, file):
    arrays = read_weights(file)
    assert sum(x.size for x in arrays.values()) == sum(map(np.size, jax.tree.leaves(model.weights)))


def test_nothing_of_this_machine_is_in_it(file, archives, built, tmp_path):
    data = file.read_bytes()
    for place in (archives, built, tmp_path):
        assert str(place).encode() not in data
    assert json.loads(parts(file)[0]["config"])["data"]["source"] == "agejax.data.withheld:faces"


def test_values_that_cannot_be_stored_are_refused(model, tmp_path):
    full = lambda value: jax.tree.map(lambda x: np.full_like(x, value), dict(model.weights))
    for value, said in ((1e6, "too large for float16; use float32"), (np.nan, "no number")):
        odd = dataclasses.replace(model, weights=full(value))
        with pytest.raises(UserError, match=said):
            written(tmp_path / "m", odd, "float16")


def test_any_flipped_bit_is_noticed(file):
    data = file.read_bytes()
    rng = np.random.default_rng(0)
    end = 8 + int.from_bytes(data[:8], "little")
    places = [0, 8, *rng.integers(8, end - 64, 12).tolist(), *rng.integers(end, len(data), 6)]
    for at in places:
        flipped = bytearray(data)
        flipped[at] ^= 1 << int(rng.integers(8))
        file.write_bytes(flipped)
        with pytest.raises(UserError, match=r"\A[^\n]*\Z"):
            read_checkpoint(file)


@pytest.mark.parametrize("kept", [0, 4, 9, 500, -1])
def test_a_file_that_is_cut_is_refused(file, kept):
    file.write_bytes(file.read_bytes()[:kept])
    with pytest.raises(UserError, match="not a run, nor a file|is damaged"):
        read_checkpoint(file)


@pytest.mark.parametrize(
    ("key", "text", "said"),
    [
        ("version", "2", "has version '2' of this format"),
        ("format", "pt", "not a run, nor a file that"),
        ("licence", None, "its metadata is not"),
        ("step", "-1", "its step is '-1'"),
        ("config", "[]", "not a config of this version"),
        ("config", "[" * 100_000, "not a config of this version"),
        ("calibration", "[1]", "its calibration is not valid"),
        ("calibration", '{"temperature": {"age": NaN}}', "its calibration is not valid"),
        ("calibration", '{"offset": {"age": [1]}}', "its calibration is not valid"),
        ("margin", '{"margin": -1, "doubt": null, "found": 0}', "its margin is not valid"),
        ("margin", "{", "its margin is not valid"),
    ],
)
def test_odd_metadata_is_one_line(file, key, text, said):
    with pytest.raises(UserError, match=said) as error:
        read_checkpoint(rewritten(file, {key: text}))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda x: x[:-1], "is a checkpoint of another model"),
        (lambda x: None, "is a checkpoint of another model"),
        (lambda x: x.astype(np.int32), "is of dtype int32, and not float32"),
        (lambda x: x * np.inf, "not finite numbers"),
    ],
)
def test_odd_arrays_are_one_line(file, change, said):
    name, x = next(iter(parts(file)[1].items()))
    with np.errstate(all="ignore"), pytest.raises(UserError, match=said):
        read_checkpoint(rewritten(file, arrays={name: change(x)}))


def test_a_header_that_claims_too_much_costs_no_memory(file):
    config = json.loads(parts(file)[0]["config"])
    config["model"]["args"] |= {"widths": [65_000] * 2, "depths": [1, 1]}  # some terabytes
    with pytest.raises(UserError, match="is a checkpoint of another model"):
        read_checkpoint(rewritten(file, {"config": json.dumps(config)}))


@pytest.mark.parametrize(
    ("section", "key", "name"),
    [("model", "trunk", "os:system"), ("model", "pretrained", "os:getcwd")],
)
def test_code_that_is_not_ours_is_not_run(file, section, key, name):
    config = json.loads(parts(file)[0]["config"])
    config[section][key] = name
    with pytest.raises(UserError, match="code that is not agejax's own"):
        read_checkpoint(rewritten(file, {"config": json.dumps(config)}))


def test_commands_that_need_a_run_say_so(file, tmp_path):
    out = tmp_path / "out"
    for call in (
        lambda: agejax.evaluate(file),
        lambda: agejax.report(file),
        lambda: agejax.calibrate(file, out),
        lambda: agejax.ensemble([file, file], out),
        lambda: agejax.compare({"a": [file], "b": [file]}),
    ):
        with pytest.raises(UserError, match="is a file; this needs the folder of a run"):
            call()
    assert not out.exists()
