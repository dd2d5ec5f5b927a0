r"""The weights that come with agejax, fine-tuned on faces of your own: 8 minutes on one core.

    python launch.py --config configs/finetune.py --config.data.path=faces.csv

docs/own_faces.md describes the table, and `agejax check faces.csv` reports what is wrong with it.
The 320 steps suit 1,000 to 15,000 faces; more steps lower the error further. A few hundred faces
are too few for the trunk: train the heads alone, in a minute, by

    --config.optim.frozen_stages=6 --config.train.steps=29 --config.optim.warmup_steps=2

(docs/results.md has both by number of faces). On the IMDB faces:

    python launch.py --config configs/finetune.py --config.data.path=None \
        --config.data.source=agejax.data.imdb_wiki:imdb_wiki --config.data.manual_dir=DIR

Test MAE 4.72 (95%: 4.44 to 4.99), gender 93.1%, one seed: as good as 55 minutes of plain
fine-tuning from ImageNet in torch. For 36 minutes, 4.49 (4.23 to 4.73) and 93.9%, three
seeds:

    --config.data.size=150 --config.train.steps=960 --config.train.eval_every=192 \
        --config.train.ema=0.995 --config.optim.warmup_steps=50

docs/results.md has both beside all others.
"""

from agejax import config as configs
from agejax.data.own_faces import own_faces
from agejax.losses.row_losses import label_distribution
from agejax.models.face_resnet import FaceResNet, to_face
from agejax.models.heads import SplineSoftmax
from agejax.optim import cosine


def get_config():
    """320 steps of 64 faces at 128 pixels, from the trunk and the heads of the weights."""
    config = configs.default()
    config.data.update(source=own_faces, path="faces.csv", size=128)
    config.model.update(trunk=FaceResNet, normalise=to_face, flip=True, flip_cut=0.06)
    with config.unlocked():
        config.model.args = {"dropout": 0.3}
    config.model.pretrained = "agejax.pretrained:faces"
    config.tasks.age.update(head=SplineSoftmax, loss=label_distribution)
    config.augment.update(shift=0.05, zoom=0.08, stretch=0.05)
    config.augment.update(crop=0.35, pad=0.25, crop_share=0.4)
    config.augment.update(brightness=0.2, contrast=0.1, saturation=0.1)
    config.optim.update(learning_rate=6e-4, weight_decay=0.02, clip_norm=2.0)
    config.optim.update(schedule=cosine, warmup_steps=30)
    config.train.update(steps=320, batch_size=64, ema=0.99, log_every=16, eval_every=80)
    return config
