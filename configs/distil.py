r"""One network that learns what several predict, from exact ages and from age groups together.

    for seed in 0 1; do
      python launch.py --config configs/finetune.py --config.data.path=None \
          --config.data.source=agejax.data.imdb_wiki:imdb_wiki --config.data.manual_dir=DIR \
          --config.data.size=150 --config.train.steps=960 --config.train.eval_every=192 \
          --config.train.ema=0.995 --config.optim.warmup_steps=50 --config.seed=$seed \
          --workdir runs/tuned-$seed
    done
    agejax soup runs/tuned-0 runs/tuned-1 -o runs/soup
    agejax ensemble runs/tuned-0 runs/tuned-1 -o runs/pair
    agejax import fairface DIR2 --out faces.csv
    agejax distil runs/pair --config configs/distil.py \
        --config.data.sets.imdb.manual_dir=DIR --config.data.sets.fairface.path=faces.csv

The student starts from the mean of both runs' weights. On the IMDB faces it learns the exact ages
and what both predict, on FairFace's the groups and what both predict: half of each batch is of
either. 55 minutes of one core, after 36 for each of the runs. IMDB's test faces, one seed, one
view: MAE 4.43 (95%: 4.18 to 4.68), gender 93.4%; with the mirror image (`agejax calibrate
--mirror 0.06`) 4.38 (4.13 to 4.62) and 94.0%, where the runs have 4.50 and 4.44. On FairFace's
faces its groups are slightly worse than those of the weights that come with agejax
(docs/results.md, row 11).
"""

from pathlib import Path

from agejax import config as configs


def get_config():
    """configs/exact_and_groups.py with a teacher, at 150 pixels, one view in prediction."""
    config = configs.from_file(Path(__file__).with_name("exact_and_groups.py"))
    config.data.size = 150
    config.data.sets.fairface.weight = 3.0
    config.model.update(pretrained="runs/soup", flip=False, flip_cut=0.0)
    config.distil.update(teacher="runs/pair", one_view=True)
    config.optim.update(learning_rate=4e-4, warmup_steps=60)
    config.train.update(steps=1100, eval_every=220, ema=0.997)
    return config
