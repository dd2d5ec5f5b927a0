"""The candidates for configs/efficientnet_lite0.py, to be selected on the validation split.

    python benchmarks/recipe.py base --manual_dir DIR --out runs/recipe [--seed 0]

`CANDIDATES` defines how each differs from that config. A run is stored in OUT/NAME-SEED and resumed
if it was interrupted; then it is evaluated on validation, by decade and with crops cut and padded.
The peer is benchmarks/torch_recipe.py; compare by `agejax compare --a TORCH ... --b OURS ...`.
"""

import argparse
import time
from pathlib import Path

from agejax import config as configs
from agejax.evaluation.evaluate import evaluate
from agejax.evaluation.table import table
from agejax.losses.balance import smoothed_inverse
from agejax.losses.row_losses import expected_label_distribution
from agejax.models.efficientnet_lite import EfficientNetLite2
from agejax.reports.crop_robustness import crop_lines, under_crops
from agejax.training.compilation_cache import keep_compiled
from agejax.training.loop import train

EPOCH = 192  # steps
CONFIG = Path(__file__).parent.parent / "configs" / "efficientnet_lite0.py"


def base(config):
    """The unchanged config: 12 epochs at 96 and 128 pixels, which costs as much as 13 at 112."""


def plain(config):
    """The control: the same settings in 12 epochs at 112 pixels, without stages."""
    config.data.size = 112
    config.train.update(stages=(), steps=12 * EPOCH)


def heavy(config):
    """Strong augmentation, layer decay, and 64 pixels first, for 11 epochs."""
    config.train.update(stages=((64, 4 * EPOCH), (96, 4 * EPOCH)), steps=11 * EPOCH)
    config.optim.update(learning_rate=2e-3, layer_decay=0.85, warmup_steps=EPOCH)
    with config.unlocked():
        config.model.args.update(dropout=0.3, stochastic_depth=0.1)
    config.augment.update(shift=0.06, zoom=0.12, stretch=0.1)
    config.augment.update(crop=0.3, pad=None, crop_share=0.3)
    config.augment.update(brightness=0.15, contrast=0.25, saturation=0.25, cutout=0.25)


def narrow(config):
    """Few tight crops, and 9 epochs."""
    config.train.update(stages=((96, 4 * EPOCH),), steps=9 * EPOCH)
    config.augment.update(crop=0.15, pad=None, crop_share=0.2)


def long(config):
    """20 epochs with slight stochastic depth."""
    config.train.update(stages=((96, 8 * EPOCH),), steps=20 * EPOCH)
    with config.unlocked():
        config.model.args.stochastic_depth = 0.1


def mixed(config):
    """`long` with mixup of 0.2 (Zhang et al.)."""
    long(config)
    config.augment.mixup = 0.2


def fine(config):
    """`long` with one more size: 96, 128 and 160 pixels."""
    long(config)
    config.data.size = 160
    config.train.update(stages=((96, 6 * EPOCH), (128, 6 * EPOCH)), steps=20 * EPOCH)


def larger(config):
    """EfficientNet-Lite2 (extra `pretrained-large`) with 1.5 times the FLOPs; more loose crops."""
    config.augment.pad = 0.25
    config.model.trunk = EfficientNetLite2
    config.model.pretrained = "agejax.pretrained.start_from:efficientnet_lite2_imagenet"


def expected(config):
    """DLDL-v2: adds the error of the mean to the loss, with a weight of 0.25 nats per year."""
    with config.unlocked():
        config.tasks.age.update(loss=expected_label_distribution, loss_args={"weight": 0.25})


def balanced(config):
    """Reweights rare ages by the fourth root of their smoothed rarity: a factor of two at 75."""
    with config.unlocked():
        config.tasks.age.update(balance=smoothed_inverse, balance_args={"power": 0.25})


def uncropped(config):
    """Without crop jitter, to measure its effect on unchanged crops and on cut or padded ones."""
    config.augment.crop = 0.0


CANDIDATES = {
    f.__name__: f
    for f in (base, plain, heavy, narrow, larger, long, mixed, fine, expected, balanced, uncropped)
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("name", choices=CANDIDATES)
    parser.add_argument("--manual_dir", required=True)
    parser.add_argument("--data_dir", default=None)
    parser.add_argument("--out", type=Path, default=Path("runs/recipe"))
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    keep_compiled()
    config = configs.from_file(CONFIG)
    config.seed = args.seed
    config.data.update(manual_dir=args.manual_dir, data_dir=args.data_dir)
    CANDIDATES[args.name](config)
    workdir, start = args.out / f"{args.name}-{args.seed}", time.perf_counter()
    figures = train(config, workdir)
    print(f"{args.name}, seed {args.seed}: {(time.perf_counter() - start) / 60:.0f} minutes")
    config.eval.split = "validation"
    for split in (evaluate(config, workdir), figures):
        print(table(split))
    for line in crop_lines(under_crops(workdir, split="validation")):
        print(line, flush=True)


if __name__ == "__main__":
    main()
