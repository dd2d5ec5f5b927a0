"""Several data sets at once: IMDB faces for training, and your own for evaluation.

    python launch.py --config configs/mixture.py --config.data.sets.mine.path=faces.csv \\
        --config.data.sets.imdb.manual_dir=DIR

The metrics of the test split are also listed for each set ("by set"). To evaluate one set only:

    python launch.py --config configs/mixture.py --config.mode=eval --config.eval.split=mine/test

A set with a weight above 0 is also used for training: with 3 and 1, three quarters of every batch
are from the first set.
"""

from ml_collections import config_dict

from agejax import config as configs
from agejax.data.imdb_wiki import imdb_wiki
from agejax.data.mixture import mixture
from agejax.data.own_faces import own_faces
from agejax.optim import cosine


def get_config():
    """The network and the number of steps of configs/small.py, on two sets."""
    config = configs.default()
    config.data.update(source=mixture, size=64)
    with config.unlocked():
        config.data.sets = {
            "imdb": {
                "source": imdb_wiki,
                "weight": 1.0,
                "name": "imdb",
                "manual_dir": config_dict.placeholder(str),
                "data_dir": config_dict.placeholder(str),
            },
            "mine": {"source": own_faces, "weight": 0.0, "path": "faces.csv"},
        }
        config.model.args = {"widths": (32, 64, 128, 256), "depths": (1, 2, 2, 2), "dropout": 0.3}
    config.augment.update(shift=0.06, zoom=0.1, brightness=0.1, contrast=0.2)
    config.optim.update(learning_rate=2e-3, schedule=cosine, warmup_steps=100)
    config.train.update(steps=4200, batch_size=64, ema=0.998, log_every=50, eval_every=300)
    return config
