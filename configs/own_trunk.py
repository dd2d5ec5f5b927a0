"""Your own architecture, `examples/mixer.py`, on the IMDB faces.

    python launch.py --config configs/own_trunk.py --config.data.manual_dir=DIR

The trunk is a class in a module that Python can import, here from the current folder; a run stores
its name. This is an example, not a recipe: it is not tuned, and no results are given.
"""

from agejax import config as configs
from agejax.optim import cosine
from examples.mixer import Mixer


def get_config():
    """A small MLP-Mixer at 64 pixels, for as many steps as configs/small.py."""
    config = configs.default()
    config.data.update(name="imdb", size=64)
    config.model.trunk = Mixer
    with config.unlocked():
        config.model.args = {"patch": 8, "width": 128, "depth": 6}
    config.augment.update(shift=0.06, zoom=0.1, brightness=0.1, contrast=0.2)
    config.optim.update(learning_rate=1e-3, schedule=cosine, warmup_steps=200, weight_decay=0.05)
    config.train.update(steps=4200, batch_size=64, ema=0.998, log_every=50, eval_every=300)
    return config
