"""A sweep of two runs of seconds."""

from agejax.config.sweeps import grid, with_seeds
from tests.tiny import get_config as tiny


def get_config():
    config = tiny()
    config.train.update(steps=6, log_every=3, eval_every=3)
    return config


def get_sweep():
    yield "odd", {"model.args": {"widths": (8, 8), "depths": (1, 1)}}
    yield from with_seeds(grid({"optim.learning_rate": (1e-3,)}), 1)
