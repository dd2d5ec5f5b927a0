import os
import subprocess
import sys

import pytest

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


@pytest.mark.parametrize(
    ("bench", "network", "lines"),
    [
        (
            "checkpoint.py",
            ("--trunk", "agejax.models.cnn:SmallCNN"),
            ["save and fsync", "save", "fsync alone", "restore"],
        ),
        ("background_save.py", ("--network", "small_cnn"), ["held", "in all"]),
    ],
)
def test_the_benches_of_saves_run_for_a_small_network(tmp_path, bench, network, lines):
    command = [sys.executable, f"benchmarks/{bench}", "--rounds", "1", *network]
    command += ["--folder", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    _, _, *told = done.stdout.splitlines()
    assert [line.partition("  ")[0].strip() for line in told] == lines
    assert not list(tmp_path.iterdir())
