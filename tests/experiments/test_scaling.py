"""Exchanges on paper. What a step exchanges is in tests/four_devices/test_exchange.py."""

import os
import subprocess
import sys

import pytest

from agejax.experiments.scaling import Exchange
from tests.conftest import ROOT


@pytest.mark.battery  # as with four, whose process the default run has anyway
def test_a_step_of_eight_devices():
    command = [sys.executable, "-m", "pytest", "-n", "0", "-p", "no:cacheprovider"]
    env = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST_")} | {
        "XLA_FLAGS": "--xla_force_host_platform_device_count=8",
        "JAX_DISABLE_MOST_OPTIMIZATIONS": "1",  # which leave the collectives as they are
    }
    command.append("tests/four_devices/test_exchange.py")
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_an_exchange_takes_its_time_on_paper():
    """A ring of n sends 2 (n - 1) / n of what is reduced, half of that of what is gathered."""
    reduced = Exchange(4, {"all-reduce": 10**9}, {"all-reduce": 1}, 0, 0)
    gathered = Exchange(4, {"all-gather": 10**9}, {"all-gather": 1}, 0, 0)
    assert reduced.seconds(1e9) == pytest.approx(1.5, abs=1e-4)
    assert gathered.seconds(1e9) == pytest.approx(0.75, abs=1e-4)
    assert Exchange(1, {}, {}, 0, 0).seconds(1e9) == 0
