"""What a step exchanges, compiled for devices that are not there."""

import json
import os
import subprocess
import sys

import pytest

from agejax.experiments.scaling import Exchange
from tests.conftest import ROOT

# A child has as many fake devices as are asked for.
ASK = """
import dataclasses, json, sys
from agejax.experiments.scaling import exchange
from tests.tiny import get_config
for devices, above in json.loads(sys.argv[1]):
    config = get_config()
    config.train.batch_size, config.train.fsdp_above, config.data.size = 2 * devices, above, 8
    with config.unlocked():
        config.model.args = {"widths": (64, 128), "depths": (1, 1)}
    print(json.dumps(dataclasses.asdict(exchange(config, devices))), flush=True)
"""


@pytest.fixture(scope="module")
def exchanged():
    counts = [4, 8]
    asked = [(n, above) for n in counts for above in (None, 0.01)]
    environment = os.environ | {
        "XLA_FLAGS": "--xla_force_host_platform_device_count=8",
        "JAX_DISABLE_MOST_OPTIMIZATIONS": "1",  # which leave the collectives as they are
    }
    command = [sys.executable, "-c", ASK, json.dumps(asked)]
    said = subprocess.check_output(command, cwd=ROOT, env=environment, text=True)
    found = map(json.loads, said.splitlines())
    return dict(zip(asked, found, strict=True))


@pytest.mark.parametrize("n", [4, 8])
def test_data_parallelism_reduces_the_gradient_and_little_else(exchanged, n):
    found = exchanged[n, None]
    assert set(found["bytes"]) == {"all-reduce"}
    assert found["gradient"] <= found["bytes"]["all-reduce"] < 1.01 * found["gradient"]


@pytest.mark.parametrize("n", [4, 8])
def test_fsdp_divides_what_is_large(exchanged, n):
    """Of weights, their average and Adam's two moments, a device keeps its part."""
    whole, split = exchanged[n, None], exchanged[n, 0.01]
    large = 4 * (3 * 3 * 64 * 128 + 128 * 101)  # bytes of the arrays above 10 KiB
    assert whole["state"] - split["state"] == 4 * large * (n - 1) // n
    assert split["bytes"]["all-gather"] == large
    assert split["bytes"]["all-reduce"] < 1.01 * split["gradient"]


def test_an_exchange_takes_its_time_on_paper():
    """A ring of n sends 2 (n - 1) / n of what is reduced, half of that of what is gathered."""
    reduced = Exchange(4, {"all-reduce": 10**9}, {"all-reduce": 1}, 0, 0)
    gathered = Exchange(4, {"all-gather": 10**9}, {"all-gather": 1}, 0, 0)
    assert reduced.seconds(1e9) == pytest.approx(1.5, abs=1e-4)
    assert gathered.seconds(1e9) == pytest.approx(0.75, abs=1e-4)
    assert Exchange(1, {}, {}, 0, 0).seconds(1e9) == 0
