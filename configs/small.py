"""`SmallCNN`, 1.2 million weights, on the IMDB faces at 64 pixels.

    python launch.py --config configs/small.py --config.data.manual_dir=DIR

About 13 minutes on 2 cores. On the development set (12,279 training faces): test MAE 5.51 years,
gender 91.4%. For the official IMDB, which is ten times as large, add `--config.train.steps=40000`.
"""

from agejax import config as configs
from agejax.optim import cosine


def get_config():
    """Sized for the 12,000 training faces of a development set on a laptop."""
    config = configs.default()
    config.data.update(name="imdb", size=64)
    with config.unlocked():
        config.model.args = {"widths": (32, 64, 128, 256), "depths": (1, 2, 2, 2), "dropout": 0.3}
    config.augment.update(shift=0.06, zoom=0.1, brightness=0.1, contrast=0.2)
    config.optim.update(learning_rate=2e-3, schedule=cosine, warmup_steps=100)
    config.train.update(steps=4200, batch_size=64, ema=0.998, log_every=50, eval_every=300)
    return config
