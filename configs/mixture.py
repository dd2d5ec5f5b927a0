"""Several sets at once: IMDB faces to train on, and your own, which are tested apart.

    python launch.py --config configs/mixture.py --config.data.sets.mine.path=faces.csv \\
        --config.data.sets.imdb.manual_dir=DIR

The figures of the test split show the sets side by side ("by set"), and those of one alone are

    python launch.py --config configs/mixture.py --config.mode=eval --config.eval.split=mine/test

A weight above 0 has a set trained on as well: 3 and 1 make every batch three quarters the first.
"""

from agejax.data.imdb_wiki import imdb_wiki
from agejax.data.mixture import mixture
from agejax.data.own_faces import own_faces
from configs import small


def get_config():
    """`configs/small.py` on two sets."""
    config = small.get_config()
    config.data.update(source=mixture, name="imdb")
    with config.unlocked():
        config.data.sets = {
            "imdb": {"source": imdb_wiki, "weight": 1.0, "name": "imdb", "manual_dir": ""},
            "mine": {"source": own_faces, "weight": 0.0, "path": "faces.csv"},
        }
    return config
