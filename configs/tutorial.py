"""The tutorial's network and settings, on the IMDB faces.

    python launch.py --config configs/tutorial.py --config.data.manual_dir=DIR

At 224 pixels training takes days on 2 cores; with

    --config.data.size=64 --config.train.steps=6000 --config.train.eval_every=500

it takes 17 minutes, with a test MAE on the development set of 7.49 years, gender 86.6%.
"""

from agejax import config as configs
from agejax.models.cnn import TutorialCNN
from agejax.models.multitask import per_image
from agejax.optim import constant


def get_config():
    """224 pixels, Adam at 1e-4, batches of 16, 200,000 steps."""
    config = configs.default()
    config.data.update(name="imdb", size=224)
    config.model.update(trunk=TutorialCNN, normalise=per_image, head_width=1024)
    config.optim.update(learning_rate=1e-4, schedule=constant)
    config.train.update(steps=200_000, batch_size=16, log_every=100, eval_every=2000)
    return config
