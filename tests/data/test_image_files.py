"""Folders as people have them: links, pipes, folders called like photos, files of the system."""

import importlib.util
import os
import socket

import pytest

from agejax.data.decode import BadImage
from agejax.data.image_files import find_images, read_whole
from agejax.data.own_faces import image_of
from agejax.data.tables.importers import Meaning, from_names
from agejax.data.tables.parsing import BadRow


def names(folder, found):
    return [str(path.relative_to(folder)) for path in found.images]


def test_all_kinds_of_images_are_found_and_others_counted(tmp_path):
    images = ["a.JPG", "b.jfif", "c.png", "d.webp", "e.gif", "f.bmp", "g.tif", "h.TIFF", "i.avif"]
    others = ["x.txt", "y.TXT", "z.mov", "._a.jpg", ".DS_Store", "noted"]
    for name in [*images, *others]:
        (tmp_path / name).write_bytes(b"x")
    found = find_images(tmp_path)
    assert names(tmp_path, found) == images
    assert found.errors == []
    assert found.left_out() == "2 .txt, 1 .DS_Store, 1 ._*, 1 .mov, 1 noted"


def test_links_are_followed_and_no_folder_is_read_twice(tmp_path):
    folder, elsewhere = tmp_path / "photos", tmp_path / "elsewhere"
    (folder / "deep").mkdir(parents=True)
    elsewhere.mkdir()
    for file in (folder / "deep" / "a.jpg", elsewhere / "b.jpg", tmp_path / "above.jpg"):
        file.write_bytes(b"x")
    (folder / "0 first").symlink_to(folder / "deep")
    (folder / "linked").symlink_to(elsewhere)
    (folder / "round").symlink_to(folder)
    (folder / "up").symlink_to(tmp_path)
    (elsewhere / "back").symlink_to(folder)
    (folder / "itself").symlink_to(folder / "itself")
    assert names(folder, find_images(folder)) == ["deep/a.jpg", "linked/b.jpg"]


def test_folders_called_like_photos_are_folders(tmp_path):
    (tmp_path / "@eaDir" / "x.jpg").mkdir(parents=True)
    (tmp_path / "@eaDir" / "y.jpg").mkdir()
    (tmp_path / "@eaDir" / "x.jpg" / "thumb.jpg").write_bytes(b"x")
    found = find_images(tmp_path)
    assert names(tmp_path, found) == ["@eaDir/x.jpg/thumb.jpg"]
    assert found.errors == []


def test_what_is_no_file_is_told_and_not_waited_for(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # the name of a socket is short
    os.mkfifo("pipe.jpg")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket.png")
        found = find_images(tmp_path)
    assert found.images == []
    assert sorted(map(str, found.errors)) == [
        f"{tmp_path}/pipe.jpg: a named pipe, not a file",
        f"{tmp_path}/socket.png: a socket, not a file",
    ]
    with pytest.raises(BadImage, match="a named pipe, not a file"):
        read_whole(tmp_path / "pipe.jpg")
    with pytest.raises(BadRow, match="a named pipe"):
        image_of(tmp_path, "pipe.jpg")


def test_a_pipe_that_a_shell_opens_is_read():
    out, into = os.pipe()
    os.write(into, b"an image")
    os.close(into)
    assert read_whole(f"/dev/fd/{out}") == b"an image"
    os.close(out)


def test_a_name_that_no_file_can_have_is_told():
    with pytest.raises(BadImage, match="name"):
        read_whole("a\0b.jpg")


def test_a_folder_that_cannot_be_read_is_told(tmp_path, monkeypatch):
    (tmp_path / "closed").mkdir()
    (tmp_path / "a.jpg").write_bytes(b"x")
    scandir = os.scandir

    def refuse(place):
        if str(place).endswith("closed"):  # root may read everything
            raise PermissionError(13, "Permission denied", str(place))
        return scandir(place)

    monkeypatch.setattr(os, "scandir", refuse)
    found = find_images(tmp_path)
    assert names(tmp_path, found) == ["a.jpg"]
    assert list(map(str, found.errors)) == [f"{tmp_path}/closed: Permission denied"]


def test_heic_without_its_extra_is_one_line_of_all(tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    for name in ("a.heic", "b.HEIC", "c.jpg"):
        (tmp_path / name).write_bytes(b"x")
    found = find_images(tmp_path)
    assert names(tmp_path, found) == ["c.jpg"]
    assert len(found.errors) == 1
    assert "2 HEIC image(s) are left out" in str(found.errors[0])


def test_names_are_imported_from_odd_folders_too(tmp_path):
    (tmp_path / "21_0_x.jpg").mkdir()
    (tmp_path / "21_0_x.jpg" / "30_1_y.tiff").write_bytes(b"x")
    os.mkfifo(tmp_path / "22_0_z.jpg")
    bad, good = from_names(tmp_path, "{age}_{gender}_*", Meaning({"gender": {"1": "female"}}))
    assert "a named pipe" in str(bad.trouble)
    assert good.cells["age"] == "30"
