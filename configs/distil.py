"""One network that learns what an ensemble predicts, to replace it at a part of its cost.

    agejax distil runs/both --config configs/distil.py --config.data.manual_dir=DIR

The teacher is the ensemble of configs/efficientnet_lite0.py and configs/face_resnet.py; another
run, or `agejax.pretrained:faces`, can be named in its place, and `--unlabelled=FOLDER` adds faces
without labels. docs/distillation.md describes the loss. No accuracy has been measured yet.
"""

from agejax import config as configs
from agejax.losses.row_losses import label_distribution
from agejax.models.face_resnet import FaceResNet, to_face
from agejax.optim import cosine

_EPOCH = 192  # steps, of 12,279 faces


def get_config():
    """configs/face_resnet.py with a teacher, one view in prediction, and more epochs."""
    config = configs.default()
    config.data.update(name="imdb", size=128)
    config.model.update(trunk=FaceResNet, normalise=to_face)
    with config.unlocked():
        config.model.args = {"dropout": 0.3}
    config.model.pretrained = "agejax.pretrained.start_from:dlib_faces"
    config.tasks.age.loss = label_distribution
    config.distil.update(teacher="runs/both", weight=0.7, one_view=True)
    config.augment.update(shift=0.05, zoom=0.08, stretch=0.05)
    config.augment.update(crop=0.35, pad=0.25, crop_share=0.4)
    config.augment.update(brightness=0.2, contrast=0.1, saturation=0.1)
    config.optim.update(learning_rate=1e-3, weight_decay=0.02, clip_norm=2.0)
    config.optim.update(schedule=cosine, warmup_steps=_EPOCH)
    config.train.update(stages=((112, 8 * _EPOCH),), steps=16 * _EPOCH)
    config.train.update(batch_size=64, ema=0.998, log_every=16, eval_every=_EPOCH)
    return config
