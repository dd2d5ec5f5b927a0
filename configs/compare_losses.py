"""Losses for ages, each with its head, on one small network with three seeds each.

    python launch.py --config configs/compare_losses.py --config.data.manual_dir=DIR
    agejax compare runs/compare_losses --markdown --svg row_losses.svg

About 70 seconds of training per run on 2 idle cores: half an hour in all.
"""

from agejax import config as configs
from agejax.config.sweeps import with_seeds
from agejax.losses import row_losses
from agejax.models.heads import Coral, OrdinalCNN, Regression

# Losses in years or over 100 thresholds start ten times as large as those in nats; with equal
# weights, gender would count less.
_LARGE = 0.1
_AGES = {
    "cross_entropy": {"loss": row_losses.cross_entropy},
    "label_distribution": {"loss": row_losses.label_distribution},
    "expected_label_distribution": {
        "loss": row_losses.expected_label_distribution,
        "weight": _LARGE,
    },
    "mean_variance": {"loss": row_losses.mean_variance, "weight": _LARGE},
    "sord": {"loss": row_losses.sord},
    "ordinal_cnn": {"head": OrdinalCNN, "loss": row_losses.ordinal, "weight": _LARGE},
    "coral": {"head": Coral, "loss": row_losses.ordinal, "weight": _LARGE},
    "l1": {"head": Regression, "loss": row_losses.l1, "weight": _LARGE},
}


def get_config():
    """48 pixels and a short schedule: differences between losses show early, if at all."""
    config = configs.default()
    config.data.update(name="imdb", size=48)
    with config.unlocked():
        config.model.args = {"widths": (24, 48, 96, 192), "depths": (1, 1, 2, 2), "dropout": 0.2}
    config.augment.update(shift=0.06, zoom=0.1, brightness=0.1, contrast=0.2)
    config.optim.update(learning_rate=3e-3, warmup_steps=100)
    config.train.update(steps=1500, batch_size=64, ema=0.995, log_every=50, eval_every=250)
    return config


def get_sweep():
    """One run for each loss and seed: `label_distribution/seed0` and so on."""
    return with_seeds(((name, {"tasks.age": age}) for name, age in _AGES.items()), 3)
