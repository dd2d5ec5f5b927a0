import os
import subprocess
import sys

from tests.conftest import ROOT


def test_the_gpu_bench_runs_anywhere_in_its_smoke_mode():
    command = ["bash", "benchmarks/gpu.sh", "--smoke", "small_cnn"]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, "PYTHON": sys.executable},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    *_, line = done.stdout.splitlines()
    assert line.startswith("small_cnn       32     2")


def test_the_bench_of_checkpoints_runs_for_a_small_network(tmp_path):
    command = [sys.executable, "benchmarks/checkpoint.py", "--rounds", "1"]
    command += ["--trunk", "agejax.models.cnn:SmallCNN", "--folder", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    _, _, *lines = done.stdout.splitlines()
    assert [line[:16].strip() for line in lines] == [
        *("save and fsync", "save", "fsync alone", "restore")
    ]
    assert not list(tmp_path.iterdir())


def test_the_bench_of_saves_in_the_background_runs_for_a_small_network(tmp_path):
    command = [sys.executable, "benchmarks/background_save.py", "--rounds", "1"]
    command += ["--network", "small_cnn", "--folder", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    _, _, *lines = done.stdout.splitlines()
    assert [line[:9].strip() for line in lines] == ["held", "in all"]
    assert not list(tmp_path.iterdir())
