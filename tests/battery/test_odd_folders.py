"""Folders of entries that no person means: each costs itself alone, and every photo is read.

`agejax predict` runs in this process, with a model that is loaded once.
"""

import os
import shutil
import socket
import sys

import numpy as np
import pytest

import agejax.cli
from agejax.inference import predictor
from tests.battery.counts import counts, tell
from tests.battery.fuzz.mutate import damaged
from tests.photos import backdrop, encoded

NAMES = ("a", "B b", "日本", "\x1b[31m", "two\nlines", "\u202egpj", "-rf", "=1+1", "x" * 200, "%s")
FORMS = {"jpg": "JPEG", "jfif": "JPEG", "JPEG": "JPEG", "png": "PNG", "tif": "TIFF", "gif": "GIF"}
FORMS |= {"bmp": "BMP", "webp": "WEBP"}
ODD = ("pipe", "socket", "cut", "text", "empty file", "empty folder", "nowhere", "itself")
FINE = ("photo", "photo", "photo", "odd bytes", "other", "folder", "link", "round", "up", "system")


class Folder:
    """What is made in a folder, and what should come of it."""

    def __init__(self, place, rng):
        self.photos = self.errors = self.number = 0
        self.rng = rng
        place.mkdir()
        self.fill(place, depth=0)

    def fill(self, place, depth):
        for _ in range(int(self.rng.integers(0, 6))):
            self.number += 1
            stem = f"{self.rng.choice(NAMES)}{self.number}"
            self.make(str(self.rng.choice(ODD + FINE)), place, stem, depth)

    def make(self, kind, place, stem, depth):
        suffix = str(self.rng.choice(list(FORMS)))
        file = place / f"{stem}.{suffix}"
        data = encoded(backdrop(40, 40, seed=self.number), FORMS[suffix])
        self.photos += kind in ("photo", "odd bytes", "link")
        self.errors += kind in ("pipe", "socket", "cut", "text", "empty file", "nowhere", "itself")
        match kind:
            case "photo":
                file.write_bytes(data)
            case "odd bytes":
                with open(
                    os.fsencode(place / stem)[:-1] + b"\xff\x80%d.jpg" % self.number, "wb"
                ) as f:
                    f.write(data)
            case "link":  # to a folder elsewhere
                away = self.elsewhere(place)
                (away / "a.jpg").write_bytes(data)
                (place / stem).symlink_to(away)
            case "pipe":
                os.mkfifo(file)
            case "socket":
                bound(file)
            case "cut":
                file.write_bytes(data[: len(data) // 2])
            case "text":
                file.write_bytes(damaged(b"no image at all", self.rng))
            case "empty file":
                file.write_bytes(b"")
            case "nowhere":
                file.symlink_to("nowhere")
            case "itself":
                file.symlink_to(file.name)
            case "empty folder":
                file.mkdir()
            case "folder" if depth < 3:
                file.mkdir()
                self.fill(file, depth + 1)
            case "round" | "up":
                (place / stem).symlink_to(place if kind == "round" else place.parent)
            case "other" | "system":
                name = f"{stem}.mov" if kind == "other" else f"._{stem}.jpg"
                (place / name).write_bytes(b"x")

    def elsewhere(self, place):
        root = next(parent for parent in place.parents if parent.name == "root")
        away = root / "elsewhere" / str(self.number)
        away.mkdir(parents=True)
        return away


def bound(file):
    """Binds a socket, whose name is short, and moves it there."""
    short = f"s{os.getpid()}"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(short)
    os.rename(short, file)


@pytest.mark.parametrize("n", counts(500, smoke=3))
def test_each_entry_costs_itself_alone(run, tmp_path, monkeypatch, capsys, n):
    model = agejax.load(run, batch_size=8)
    monkeypatch.setattr(predictor, "load", lambda *args, **kwargs: model)
    monkeypatch.chdir(tmp_path)
    photos = errors = 0
    for i in range(n):
        root = tmp_path / "root"
        root.mkdir()
        folder = Folder(root / "in", np.random.default_rng([5, i]))
        made = predicted(capsys, monkeypatch, root / "in", root / "in" / "out")
        if not folder.photos and not folder.errors:
            assert made[0] == 2
            assert "no image" in made[2]
        else:
            code, out, err = made
            assert code == (2 if folder.errors else 0), (i, err)
            assert len(out.splitlines()) == folder.photos, (i, out, err)
            assert err.count("error: ") == folder.errors, (i, err)
            assert (out + err).replace("\n", "").isprintable()
            again = predicted(capsys, monkeypatch, root / "in", root / "in" / "out")
            assert again[:2] == made[:2]  # what was drawn is no photo of this folder
        photos, errors = photos + folder.photos, errors + folder.errors
        shutil.rmtree(root)
    tell(
        "folders of odd entries, predicted",
        f"{n:,} folders: {photos:,} photos all read, {errors:,} bad entries each told in a line; "
        f"0 hangs, 0 tracebacks",
    )


def predicted(capsys, monkeypatch, folder, out):
    args = [
        "agejax",
        "predict",
        str(folder),
        "--checkpoint",
        "x",
        "--crops",
        "--annotate",
        str(out),
    ]
    monkeypatch.setattr(sys, "argv", args)
    with pytest.raises(SystemExit) as stop:
        agejax.cli.main()
    return stop.value.code or 0, *capsys.readouterr()
