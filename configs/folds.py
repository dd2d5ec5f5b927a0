"""Five folds of IMDB-WIKI's IMDB faces, by person, with the network of configs/small.py.

    python launch.py --config configs/folds.py --config.data.manual_dir=DIR
    agejax folds runs/folds

Every face is tested once. The same command resumes a stopped one, and ends with the table: each
fold, their mean with its interval over folds, and all faces with an interval over persons. Any
other config is trained in folds by `agejax train --config FILE --folds=5`.
"""

from pathlib import Path

from agejax import config as configs
from agejax.config.sweeps import with_folds


def get_config():
    """The network and the schedule of configs/small.py."""
    return configs.from_file(Path(__file__).with_name("small.py"))


def get_sweep():
    """`fold0` to `fold4`: one fold is tested, the next validates, three train."""
    return with_folds([("", {})], 5)
