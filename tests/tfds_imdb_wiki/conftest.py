"""Painted archives as tar and as folder, and builds of them."""

import tarfile
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def small(tmp_path_factory) -> Path:
    """A manual folder with a painted `imdb_crop/` of some dozens of faces and no traps."""
    from tfds_imdb_wiki.paint.archive import write_archive

    folder = tmp_path_factory.mktemp("small")
    write_archive(folder, "imdb", 48, seed=3, traps=False, size=16)
    return folder


@pytest.fixture(scope="session")
def tars(archives, tmp_path_factory) -> Path:
    """A manual folder with the painted archives as `imdb_crop.tar` and `wiki_crop.tar`."""
    folder = tmp_path_factory.mktemp("tars")
    for kind in ("imdb", "wiki"):
        with tarfile.open(folder / f"{kind}_crop.tar", "w") as tar:
            tar.add(archives / f"{kind}_crop", f"{kind}_crop")
    return folder


@pytest.fixture(scope="session")
def builds(archives, built, tmp_path_factory) -> dict[str, Path]:
    """The folder of each built config of the painted archives."""
    from tfds_imdb_wiki.build import build

    folder = tmp_path_factory.mktemp("builds")
    folders = {"imdb": built / "imdb_wiki" / "imdb" / "2.0.0"}
    for config in ("wiki", "imdb_wiki"):
        folders[config] = build(config, str(archives), str(folder))
    return folders
