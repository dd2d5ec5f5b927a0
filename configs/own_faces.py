"""`SmallCNN` on faces of your own: a table of `path`, `age` and `gender`.

    python launch.py --config configs/own_faces.py --config.data.path=faces.csv

docs/own_faces.md describes the table, and `agejax check faces.csv` reports what is wrong with it.
The right number of steps depends on the number of faces: 3,000 are 16 epochs of 12,000 faces.
"""

from agejax import config as configs
from agejax.data.own_faces import own_faces
from agejax.optim import cosine


def get_config():
    """The network and the augmentation of configs/small.py."""
    config = configs.default()
    config.data.update(source=own_faces, path="faces.csv", size=64)
    with config.unlocked():
        config.model.args = {"widths": (32, 64, 128, 256), "depths": (1, 2, 2, 2), "dropout": 0.3}
        # A third task needs a column of the table and a line here, with the values of the column:
        # config.tasks.glasses = {"names": ("no", "yes")}
    config.augment.update(shift=0.06, zoom=0.1, brightness=0.1, contrast=0.2)
    config.optim.update(learning_rate=2e-3, schedule=cosine, warmup_steps=100)
    config.train.update(steps=3000, batch_size=64, ema=0.998, log_every=50, eval_every=300)
    return config
