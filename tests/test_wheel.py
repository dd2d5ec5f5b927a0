"""A wheel that is installed alone: it trains from a config file in an empty folder, and ships."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.conftest import ROOT

PARTS = ("agejax", "tfds_imdb_wiki", "pyproject.toml", "README.md", "LICENSE")
BUILD = "import sys; from setuptools import build_meta; build_meta.build_wheel(sys.argv[1])"
CONFIG = """
from agejax import config as configs

def get_config():
    config = configs.default()
    config.data.update(painted=100, manual_dir="archives", data_dir="data", size=16, margin=0.4)
    with config.unlocked():
        config.model.args = {"widths": (8,), "depths": (1,)}
    config.train.update(steps=1, batch_size=16)
    config.eval.batch_size = 32
    return config
"""
# All commands in one process: each would import JAX anew.
COMMANDS = """
import pathlib, sys
import agejax.cli
from tfds_imdb_wiki.paint.face import paint_face
import numpy as np
paint_face(30, 1, np.random.default_rng(0), 64).save("face.png")
for line in (
    "train --config mine.py",
    "predict face.png --checkpoint runs/mine --crops --json",
    "report runs/mine --faces 4",
    "export runs/mine --to onnx",
):
    sys.argv = ["agejax", *line.split()]
    try:
        agejax.cli.main()
    except SystemExit as left:
        assert not left.code, (line, left.code)
print("of", pathlib.Path(agejax.__file__).parents[1])
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """Built from a copy of the tree, in which it would leave its own files."""
    copy, out = tmp_path_factory.mktemp("tree"), tmp_path_factory.mktemp("wheel")
    for part in PARTS:
        if (ROOT / part).is_dir():
            ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
            shutil.copytree(ROOT / part, copy / part, ignore=ignored)
        else:
            shutil.copyfile(ROOT / part, copy / part)
    # setuptools warns of the licence's classifier and the like; a build is no test of that
    subprocess.run([sys.executable, "-c", BUILD, out], cwd=copy, check=True, capture_output=True)
    (file,) = out.glob("agejax-*.whl")
    return file


def test_it_holds_all_files_that_are_no_code(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    for package in ("agejax", "tfds_imdb_wiki"):
        for file in (ROOT / package).rglob("*"):
            if file.is_file() and "__pycache__" not in file.parts:
                assert file.relative_to(ROOT).as_posix() in names
    assert "agejax/py.typed" in names
    assert not [name for name in names if name.startswith(("tests/", "configs/", "benchmarks/"))]


# It trains, predicts, reports and exports: most of its 20 s and more are imports and compiling.
def test_it_trains_predicts_reports_and_exports_in_an_empty_folder(wheel, tmp_path):
    site, folder = tmp_path / "site", tmp_path / "empty"
    zipfile.ZipFile(wheel).extractall(site)  # which installs a wheel of Python alone
    folder.mkdir()
    (folder / "mine.py").write_text(CONFIG)
    # Folders in PYTHONPATH are searched, and their .pth files, as that of the tree, are not read.
    places = [str(site), *(path for path in sys.path if path.endswith("site-packages"))]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(places)}
    environment["JAX_DISABLE_MOST_OPTIMIZATIONS"] = "1"  # programs compile in half the time
    environment.pop("AGEJAX_TRUST", None)
    command = [sys.executable, "-S", "-P", "-c", COMMANDS]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.splitlines()[-1] == f"of {site}"
    run = folder / "runs" / "mine"
    for file in ("eval/test.json", "eval/test.png", "eval/test.html", "export/mine.onnx"):
        assert (run / file).stat().st_size > 1000
