"""A run of seconds, as a config file that `launch.py` takes too."""

from agejax import config as configs


def get_config():
    config = configs.default()
    config.data.update(size=16, margin=0.4)  # a chosen one takes no time to measure
    with config.unlocked():
        config.model.args = {"widths": (8,), "depths": (1,), "dropout": 0.2}
    config.optim.learning_rate = 3e-3
    config.train.update(steps=30, batch_size=16, ema=0.9, log_every=4, eval_every=6)
    config.eval.batch_size = 32
    return config
