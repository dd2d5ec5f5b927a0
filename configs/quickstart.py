"""The complete workflow on synthetic faces: paint, build, train, evaluate, predict. No download.

    python launch.py --config configs/quickstart.py

Under two minutes on 2 cores: test MAE 3.5 years (a constant median has 24), gender 100%. A picture
of predictions is written to `runs/quickstart/eval/test.png`.
"""

from agejax import config as configs
from agejax.optim import cosine


def get_config():
    """3,000 painted faces, 48 pixels, a small network."""
    config = configs.default()
    config.data.update(
        name="imdb",
        painted=3000,
        manual_dir="data/painted/archives",
        data_dir="data/painted/built",
        size=48,
        margin=0.35,  # as measured by `agejax margin`
    )
    with config.unlocked():
        config.model.args = {"widths": (24, 48, 96), "depths": (1, 2, 2), "dropout": 0.2}
    config.optim.update(learning_rate=3e-3, schedule=cosine, warmup_steps=50)
    config.augment.update(shift=0.05, zoom=0.1)
    config.train.update(steps=600, batch_size=64, ema=0.99, log_every=25, eval_every=200)
    return config
