r"""The second half of the weights that come with agejax: four more epochs at 150 pixels.

    python launch.py --config configs/fairface.py --config.data.path=faces.csv
    python launch.py --config configs/fairface_150.py --config.data.path=faces.csv \
        --config.model.pretrained=runs/fairface/checkpoints/5328

It starts from the last step of configs/fairface.py, all three heads included. That run had seen
most faces at 112 and 128 pixels, and read its training faces no better than the validation faces:
it was underfitted, so this one has less dropout, fewer cut crops, and more weight on gender and
race. 85 minutes of one core. Which step is taken is chosen on validation, by the likelihood of
gender and of the age groups:

    agejax calibrate runs/fairface_150 --checkpoint latest -o runs/faces
    agejax export runs/faces --to weights --checkpoint latest --tasks age,gender \
        --licence 'CC BY 4.0' --margin 0 --out FILE

`agejax calibrate` keeps the weights, and fits the temperature and the 90% interval anew.

Three epochs more (`config.tasks.gender.weight=2`, a rate of 6e-4) were not taken: on validation
gender rose from 90.8 to 91.2%, and age groups fell from 57.0 to 55.8%.
"""

from pathlib import Path

from agejax import config as configs

_EPOCH = 592  # steps, of 38,000 faces


def get_config():
    """configs/fairface.py without its smaller stages, from the weights that it ends with."""
    config = configs.from_file(Path(__file__).with_name("fairface.py"))
    config.model.pretrained = "runs/fairface/checkpoints/5328"
    config.model.args.dropout = 0.2
    config.tasks.gender.weight = 1.5
    config.tasks.race.weight = 0.5
    config.augment.update(crop_share=0.25)
    config.optim.update(learning_rate=8e-4, warmup_steps=100)
    config.train.update(stages=(), steps=4 * _EPOCH, eval_every=_EPOCH // 2, ema=0.998)
    return config
