import numpy as np
import pytest

from agejax.data.pixels import Pixels
from agejax.errors import UserError
from tests.data.test_stream import faces


def fill(pixels, n=10, size=8):
    for rows in np.split(np.arange(n), 2):
        pixels.put(rows, np.broadcast_to(rows[:, None, None, None], (len(rows), size, size, 3)))


def taken(pixels, rows=(3, 1, 9), size=8):
    out = np.full((len(rows), size, size, 3), 255, np.uint8)
    missing = pixels.take(np.array(rows), out)
    return out[:, 0, 0, 0].tolist(), missing.tolist()


@pytest.mark.parametrize("where", ["memory", "file"])
def test_what_was_put_can_be_taken(where, tmp_path):
    keep = {"cache_mib": 1} if where == "memory" else {"cache_dir": str(tmp_path / "new")}
    pixels = Pixels(faces(), 8, **keep)
    assert taken(pixels) == ([255] * 3, [0, 1, 2])
    pixels.put(np.array([1]), np.ones((1, 8, 8, 3), np.uint8))
    assert taken(pixels) == ([255, 1, 255], [0, 2])
    fill(pixels)
    assert taken(pixels) == ([3, 1, 9], [])


def test_without_room_nothing_is_kept():
    pixels = Pixels(faces(), 8)
    fill(pixels)
    assert taken(pixels)[1] == [0, 1, 2]


def test_a_whole_file_serves_the_next_run_and_only_one_of_the_same_faces(tmp_path):
    fill(Pixels(faces(), 8, cache_dir=str(tmp_path)))
    assert taken(Pixels(faces(), 8, cache_dir=str(tmp_path))) == ([3, 1, 9], [])
    assert taken(Pixels(faces(), 9, cache_dir=str(tmp_path)), size=9)[1] == [0, 1, 2]
    fewer = faces().where(np.arange(10) != 0)
    assert taken(Pixels(fewer, 8, cache_dir=str(tmp_path)), (3, 1))[1] == [0, 1]


def test_a_file_that_was_not_finished_is_begun_again(tmp_path):
    pixels = Pixels(faces(), 8, cache_dir=str(tmp_path))
    pixels.put(np.array([1]), np.ones((1, 8, 8, 3), np.uint8))
    pixels._file.close()  # as the end of its process would
    again = Pixels(faces(), 8, cache_dir=str(tmp_path))
    assert taken(again)[1] == [0, 1, 2]
    fill(again)
    assert [file.suffix for file in tmp_path.iterdir()] == [".npy"]


def test_two_runs_at_once_do_not_share_an_unfinished_file(tmp_path):
    one = Pixels(faces(), 8, cache_dir=str(tmp_path))
    other = Pixels(faces(), 8, cache_dir=str(tmp_path), cache_mib=1)
    fill(other)  # in memory
    assert taken(other) == ([3, 1, 9], [])
    assert taken(one)[1] == [0, 1, 2]


def test_a_full_disk_is_told_before_anything_is_decoded(tmp_path, monkeypatch):
    import shutil

    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(1, 1, 100))
    with pytest.raises(UserError, match="do not fit on the disk"):
        Pixels(faces(), 8, cache_dir=str(tmp_path))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("cut", [0, 50, -1])
def test_a_file_that_was_cut_is_made_anew_with_a_line(tmp_path, cut, caplog):
    fill(Pixels(faces(), 8, cache_dir=str(tmp_path)))
    (file,) = tmp_path.iterdir()
    whole = file.read_bytes()
    file.write_bytes(whole[:cut])
    pixels = Pixels(faces(), 8, cache_dir=str(tmp_path))
    assert taken(pixels)[1] == [0, 1, 2]
    assert "npy is damaged (" in caplog.text
    fill(pixels)
    assert file.read_bytes() == whole


def test_damaged_pixels_are_not_used_and_made_anew(tmp_path, caplog):
    fill(Pixels(faces(), 8, cache_dir=str(tmp_path)))
    (file,) = tmp_path.iterdir()
    whole = file.read_bytes()
    broken = bytearray(whole)
    row = len(whole) - (10 - 3) * (8 * 8 * 3 + 16)  # where the fourth begins
    broken[row + 70] ^= 1
    file.write_bytes(broken)
    pixels = Pixels(faces(), 8, cache_dir=str(tmp_path))
    assert taken(pixels) == ([255, 1, 9], [0])
    (line,) = caplog.messages
    assert "holds damaged pixels; these faces are decoded and cached again" in line
    pixels.put(np.array([3]), np.full((1, 8, 8, 3), 3, np.uint8))
    assert taken(pixels) == ([3, 1, 9], [])
    assert file.read_bytes() == whole
    assert taken(Pixels(faces(), 8, cache_dir=str(tmp_path))) == ([3, 1, 9], [])
    assert caplog.messages == [line]


def test_pixels_of_other_faces_are_not_used(tmp_path, capsys):
    import dataclasses

    fill(Pixels(faces(), 8, cache_dir=str(tmp_path)))
    others = dataclasses.replace(faces(), sha256=np.array([f"x{i}" for i in range(10)]))
    fill(Pixels(others, 8, cache_dir=str(tmp_path)))
    one, other = sorted(tmp_path.iterdir())
    other.replace(one)
    for some in (faces(), others):
        found = Pixels(some, 8, cache_dir=str(tmp_path))
        if found._file.whole:
            assert taken(found)[1] in ([0, 1, 2], [])
    moved = [f for f in (faces(), others) if Pixels(f, 8, cache_dir=str(tmp_path))._file.whole]
    assert len(moved) == 1


def test_a_file_that_cannot_be_written_serves_all_the_same(tmp_path, monkeypatch):
    import os

    fill(Pixels(faces(), 8, cache_dir=str(tmp_path)))
    (file,) = tmp_path.iterdir()
    broken = bytearray(file.read_bytes())
    broken[-20] ^= 1
    file.write_bytes(broken)
    monkeypatch.setattr(os, "access", lambda *_: False)  # also where root runs the tests
    pixels = Pixels(faces(), 8, cache_dir=str(tmp_path))
    assert taken(pixels) == ([3, 1, 255], [2])
    pixels.put(np.array([9]), np.full((1, 8, 8, 3), 9, np.uint8))
    assert taken(pixels) == ([3, 1, 9], [])
    assert file.read_bytes() == bytes(broken)
