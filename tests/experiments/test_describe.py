import re

import pytest

from agejax import config as configs
from agejax.errors import UserError
from agejax.experiments.describe import describe
from agejax.models.cnn import TutorialCNN


def test_operations_are_counted_as_by_hand():
    config = configs.default()
    config.data.size = 64
    config.model.update(trunk=TutorialCNN, head_width=0)
    config.train.batch_size = 16
    weights, face, step = describe(config, measure=False)
    # A kernel of 5 at the rim of a map of n has 6 of its 5 n taps a row and column outside.
    taps = lambda n: (5 * n - 6) ** 2
    layers = zip((64, 32, 16), (3, 32, 64), (32, 64, 128), strict=True)
    dense = 8 * 8 * 128 * 1024
    products = sum(taps(n) * i * o for n, i, o in layers) + dense + 1024 * 103
    assert (
        f"{dense + 1024 + 25 * (3 * 32 + 32 * 64 + 64 * 128) + 224 + 1025 * 103:,} weights"
        in weights
    )
    assert float(re.findall(r"([\d.]+) GFLOP", face)[0]) == pytest.approx(
        2 * products / 1e9, rel=0.03
    )
    # forward and two gradients, but for that of the pixels
    first = taps(64) * 3 * 32
    expected = 16 * 2 * (3 * products - first) / 1e9
    assert float(re.findall(r"([\d.]+) GFLOP", step)[0]) == pytest.approx(expected, rel=0.08)


def test_speed_is_measured_on_this_machine(tiny):
    *_, peak, speed = describe(tiny)
    assert "1 x cpu" in peak
    assert re.search(r"takes \d+ ms: [\d,]+ faces/s, \d+ GFLOP/s, \d+% of that", speed)


def test_what_cannot_be_meant_is_refused(tiny):
    tiny.train.steps = 0
    with pytest.raises(UserError, match="at least 1"):
        list(describe(tiny))
