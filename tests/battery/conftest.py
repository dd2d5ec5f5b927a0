"""Trainings that are driven, and disks that fail."""

import shutil
import subprocess

import pytest

from tests.battery.trainings import trainings
from tests.conftest import ROOT


@pytest.fixture(scope="session")
def faults(tmp_path_factory):
    """The library of faults.c; None where there is no C compiler."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if not compiler:
        return None
    library = tmp_path_factory.mktemp("faults") / "faults.so"
    command = [compiler, "-shared", "-fPIC", "-o", library, "faults.c", "-ldl"]
    subprocess.run(command, cwd=ROOT / "tests/battery", check=True)
    return library


@pytest.fixture(scope="session")
def driver(archives, built, faults, tmp_path_factory):
    """What starts trainings, and the folder of an unbroken one."""
    preload = {"LD_PRELOAD": str(faults)} if faults else {}
    with trainings(archives, built, tmp_path_factory.mktemp("trainings"), **preload) as driver:
        yield driver
