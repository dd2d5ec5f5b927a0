"""A checkpoint is what was written, or it is told what became of it."""

import json
import random
import shutil

import pytest
import xxhash

from agejax.checkpoints import manifest
from tests.saved import KINDS, damage, files, save


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The checkpoints of steps 1 and 2."""
    save(tmp_path_factory.mktemp("whole"), 1, 2, mae=lambda step: step)
    return tmp_path_factory.getbasetemp() / "whole0" / "checkpoints"


@pytest.fixture
def two(whole, tmp_path):
    """A copy of that of step 2."""
    return shutil.copytree(whole / "2", tmp_path / "2")


def test_what_was_written_is_whole(whole):
    assert manifest.problems(whole / "1", 1) == manifest.problems(whole / "2", 2) == []
    listed = json.loads((whole / "2" / manifest.NAME).read_text())["files"]
    assert listed.keys() | {manifest.NAME} == {
        path.relative_to(whole / "2").as_posix() for path in files(whole / "2")
    }


@pytest.mark.parametrize("kind", KINDS)
def test_damage_is_found_and_its_file_named(whole, tmp_path, kind):
    rng = random.Random(kind)
    for i in range(8):
        copy = shutil.copytree(whole / "2", tmp_path / str(i) / "2")
        file = damage(copy, kind, rng, whole / "1")
        found = manifest.problems(copy, 2)
        assert found, (kind, file)
        assert any(file in problem for problem in found)
        assert all("\n" not in problem for problem in found)


def test_the_manifest_is_watched_too(two):
    good = (two / manifest.NAME).read_bytes()
    for i in range(0, len(good), 3):
        (two / manifest.NAME).write_bytes(good[:i] + bytes([good[i] ^ 1 << i % 8]) + good[i + 1 :])
        assert manifest.problems(two, 2, items=()), f"byte {i}"
    for end in range(0, len(good), 7):
        (two / manifest.NAME).write_bytes(good[:end])
        assert manifest.problems(two, 2, items=()), f"cut at {end}"


def test_a_checkpoint_under_the_name_of_another_is_told(whole):
    told = ["it is the checkpoint of step 1, by its MANIFEST.json"]
    assert manifest.problems(whole / "1", 2) == told


def test_one_without_a_manifest_was_not_finished(two):
    (two / manifest.NAME).unlink()
    (problem,) = manifest.problems(two, 2)
    assert "was not finished" in problem


def test_what_is_added_or_linked_is_told(two, tmp_path):
    (two / "more").write_text("x")
    assert manifest.problems(two, 2) == ["more does not belong to it"]
    (two / "more").unlink()
    shutil.move(two / "config" / "metadata", tmp_path)
    (two / "config" / "metadata").symlink_to(tmp_path / "metadata")
    assert manifest.problems(two, 2) == ["config/metadata is missing"]


def test_only_the_parts_that_are_asked_for_are_looked_at(two):
    (two / "metrics" / "metrics").write_text("other")
    assert manifest.problems(two, 2, ("weights", "config")) == []
    assert manifest.problems(two, 2, ("metrics",))


@pytest.mark.parametrize(
    "body",
    [
        {"step": float("inf"), "files": {}},
        {"step": "2", "files": {"a": [1, "x"]}},
        {"step": 2, "files": {"a": 5}},
        {"step": 2, "files": {"a": ["1", "x"]}},
        {"step": 2, "files": {"../2/MANIFEST.json": [1]}},
        {"step": 2, "files": [["a", [1, "x"]]]},
        {"step": 2},
        [2, {}],
        None,
    ],
)
def test_a_manifest_of_another_shape_is_damaged_however_well_it_is_signed(two, body):
    own = xxhash.xxh3_128(json.dumps(body).encode()).hexdigest()
    text = body | {"xxh3_128": own} if isinstance(body, dict) else body
    (two / manifest.NAME).write_text(json.dumps(text, indent=1) + "\n")
    assert manifest.problems(two, 2)
