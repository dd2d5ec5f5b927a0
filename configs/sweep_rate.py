"""An example of a sweep: a grid of learning rates for `configs/quickstart.py`.

    python launch.py --config configs/sweep_rate.py
    agejax compare runs/sweep_rate

Painted faces; no download. Six runs of about a minute each on 2 cores. For a random search:

    def get_sweep():
        return random_search(12, lambda rng: {"optim.learning_rate": 10 ** rng.uniform(-4, -2)})
"""

from pathlib import Path

from agejax import config as configs
from agejax.config.sweeps import grid, with_seeds


def get_config():
    """The quickstart's config, with half as many steps."""
    config = configs.from_file(Path(__file__).with_name("quickstart.py"))
    config.train.update(steps=300, eval_every=100)
    return config


def get_sweep():
    """Three rates, two seeds each: `learning_rate=0.001/seed0` and so on."""
    return with_seeds(grid({"optim.learning_rate": (1e-3, 3e-3, 1e-2)}), 2)
