"""`agejax train`, from a checkout: see `python launch.py --help`.

python launch.py --config configs/small.py [--workdir runs/small] [--config.train.steps=2000]
python launch.py --config configs/small.py --config.mode=eval [--config.eval.split=validation]
python launch.py --config configs/sweep_rate.py [--jobs=2] [--run=NAME | --list]
"""

import sys

from agejax.cli import train

if __name__ == "__main__":
    train.main(sys.argv)
