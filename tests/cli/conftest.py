"""The command as a fixture, and photos for it."""

import shutil

import pytest

from tests.commands import agejax_command


@pytest.fixture
def agejax_(capsys, monkeypatch):
    return lambda *args: agejax_command(capsys, monkeypatch, *args)


@pytest.fixture
def photos(archives, tmp_path):
    """A folder of seven good crops."""
    folder = tmp_path / "photos"
    folder.mkdir()
    good = [p for p in sorted(archives.glob("wiki_crop/*/*.jpg")) if p.stat().st_size > 1000][:7]
    for photo in good:
        shutil.copy(photo, folder)
    return folder
