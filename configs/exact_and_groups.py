r"""Exact ages and age groups together: IMDB and FairFace, from the weights in the package.

    agejax import fairface DIR2 --out faces.csv
    python launch.py --config configs/exact_and_groups.py \
        --config.data.sets.imdb.manual_dir=DIR --config.data.sets.fairface.path=faces.csv

Of every four faces in a batch, three are IMDB's and one is FairFace's, as the weights say;
`--config.data.sets.fairface.weight=3` makes it one in two, and 0 only evaluates on FairFace. A face
with an exact age is trained with the distribution around it, one with a group with the likelihood
of the group. The best checkpoint has the lowest mean error over the validation faces of both, of
which FairFace's are 0 inside the group. For the figures of one set:

    python launch.py --config configs/exact_and_groups.py (as above) --config.mode=eval \
        --config.eval.split=imdb/validation

and `--config.eval.split=fairface/test`, which has them by race. Any two tables will do in place of
these: each set takes the arguments of its own source (docs/own_faces.md).
"""

from pathlib import Path

from ml_collections import config_dict

from agejax import config as configs
from agejax.data.imdb_wiki import imdb_wiki
from agejax.data.mixture import mixture
from agejax.data.own_faces import own_faces


def get_config():
    """configs/finetune.py with four thirds of its steps: as many faces of IMDB as there."""
    config = configs.from_file(Path(__file__).with_name("finetune.py"))
    config.data.update(source=mixture, path=None)
    with config.unlocked():
        config.data.sets = {
            "imdb": {
                "source": imdb_wiki,
                "weight": 3.0,
                "name": "imdb",
                "manual_dir": config_dict.placeholder(str),
                "data_dir": config_dict.placeholder(str),
            },
            "fairface": {"source": own_faces, "weight": 1.0, "path": "faces.csv"},
        }
    config.train.update(steps=428, eval_every=107)
    return config
