"""The tests of several devices, in a process that has four, and what its run is to one device."""

import json
import os
import shutil
import subprocess
import sys

import pytest

from agejax.checkpoints.run_dir import of_the_run
from agejax.evaluation.evaluate import evaluate
from tests.conftest import ROOT


@pytest.fixture(scope="module")
def four_devices(tmp_path_factory, archives, built):
    """Exit code and output of the tests of tests/four_devices, and the folder of their files."""
    folder = tmp_path_factory.mktemp("four") / "devices"
    command = [sys.executable, "-m", "pytest", "-n", "0", "-p", "no:cacheprovider"]
    command += [f"--basetemp={folder}", "tests/four_devices"]
    env = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST_")} | {
        "XLA_FLAGS": "--xla_force_host_platform_device_count=4",
        "JAX_DISABLE_MOST_OPTIMIZATIONS": "1",  # what is computed is looked at, not how fast
        "AGEJAX_MADE_archives": str(archives),
        "AGEJAX_MADE_built": str(built),
    }
    pipe, both = subprocess.PIPE, subprocess.STDOUT
    done = subprocess.run(command, cwd=ROOT, env=env, stdout=pipe, stderr=both, text=True)
    return done.returncode, done.stdout, folder


def test_on_four_devices(four_devices):  # over 20 s: a dozen tests, in a process that starts cold
    code, said, _ = four_devices
    assert code == 0, said
    assert " passed" in said


def test_a_run_of_four_devices_is_evaluated_alike_by_one(four_devices, tmp_path, monkeypatch):
    monkeypatch.setenv("AGEJAX_OWN_RUNS", str(tmp_path))
    shutil.copytree(four_devices[2] / "runs0" / "tiny", tmp_path / "run")
    before = json.loads((tmp_path / "run" / "eval" / "test.json").read_text())
    figures = evaluate(of_the_run(tmp_path / "run", {}), tmp_path / "run")
    assert figures["n"] == before["n"]
    assert figures["age"]["mae"] == pytest.approx(before["age"]["mae"], abs=1e-3)
