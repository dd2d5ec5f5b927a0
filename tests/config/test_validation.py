"""Values that nobody can mean are told before anything begins."""

import pytest

from agejax import config as configs
from agejax.config import validation
from agejax.errors import UserError


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("seed", None, "config.seed is None; it must be set, such as 0"),
        ("seed", -1, "config.seed is -1; it must be from 0 to 4294967295"),
        ("train.steps", None, "config.train.steps is None; it must be set, such as 1000"),
        ("train.steps", 0, "config.train.steps is 0; it must be at least 1"),
        ("optim.learning_rate", float("nan"), "is nan; it must be a finite number"),
        ("optim.learning_rate", -1e-3, "is -0.001; it must be 0 or above"),
        ("optim.b2", 1.0, "config.optim.b2 is 1.0; it must be in [0, 1)"),
        ("augment.zoom", float("inf"), "config.augment.zoom is inf"),
        ("model.flip_cut", 0.06, "config.model.flip_cut cuts the mirror image"),
    ],
)
def test_it_is_told_in_one_line(key, value, said):
    config = configs.default()
    configs.update(config, {key: value})
    with pytest.raises(UserError) as error:
        validation.check(config)
    assert said in str(error.value)
    assert "\n" not in str(error.value)
