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
