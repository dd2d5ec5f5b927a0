"""What a step exchanges between the devices of this process, compiled for them."""

import jax
import pytest

from agejax.experiments.scaling import exchange
from tests.tiny import get_config


@pytest.fixture(scope="module")
def exchanged():
    """The number of devices, and {above: the exchange of a step}."""
    n, found = jax.device_count(), {}
    for above in (None, 0.01):
        config = get_config()
        config.train.batch_size, config.train.fsdp_above, config.data.size = 2 * n, above, 8
        with config.unlocked():
            config.model.args = {"widths": (64, 128), "depths": (1, 1)}
        found[above] = exchange(config, n)
    return n, found


def test_data_parallelism_reduces_the_gradient_and_little_else(exchanged):
    found = exchanged[1][None]
    assert set(found.bytes) == {"all-reduce"}
    assert found.gradient <= found.bytes["all-reduce"] < 1.01 * found.gradient


def test_fsdp_divides_what_is_large(exchanged):
    """Of weights, their average and Adam's two moments, a device keeps its part."""
    n, found = exchanged
    whole, split = found[None], found[0.01]
    large = 4 * (3 * 3 * 64 * 128 + 128 * 101)  # bytes of the arrays above 10 KiB
    assert whole.state - split.state == 4 * large * (n - 1) // n
    assert split.bytes["all-gather"] == large
    assert split.bytes["all-reduce"] < 1.01 * split.gradient
