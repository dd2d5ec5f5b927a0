"""Runs that see small faces first."""

import jax.numpy as jnp
import pytest

from agejax.config import stages, update
from agejax.errors import UserError
from agejax.models import vit
from agejax.models.multitask import to_unit
from agejax.training.loop import train
from tests.runs import assert_identical
from tests.training.test_training import _to_30

pytestmark = pytest.mark.usefixtures("quick_compilation")

_SEEN = []


def noted(image):
    """`to_unit` that notes the size of the faces of each program."""
    _SEEN.append(image.shape[1])
    return to_unit(jnp.asarray(image))


def test_stages_are_steps_at_growing_sizes_and_resume_exactly(tiny, tmp_path):
    tiny.train.stages = ((8, 12),)
    tiny.train.update(log_every=6, eval_every=9)
    tiny.optim.schedule = _to_30
    tiny.augment.mixup = 0.4
    train(tiny, tmp_path / "whole")
    for tiny.train.steps in (13, 30):  # in the middle of the last stage
        train(tiny, tmp_path / "parts")
    assert_identical(tmp_path / "whole", tmp_path / "parts")


def test_each_step_is_of_its_stage_and_each_stage_one_program(tiny):
    from agejax.steps.model_factory import make_model
    from agejax.steps.step import init_state
    from agejax.steps.step_factory import train_steps_of
    from tests.steps.test_step import batch

    tiny.train.stages = ((4, 2), (6, 1))
    tiny.data.size = 8
    assert stages(tiny) == [(0, 4), (2, 6), (3, 8)]
    tiny.model.normalise = noted
    graph, weights = make_model(tiny)
    optimizer, step_at = train_steps_of(tiny, graph)
    state = init_state(graph, weights, optimizer, ema=True)
    sizes = []
    for step in range(1, 7):
        _SEEN.clear()
        state, _ = step_at(step)(state, batch(), None)
        sizes.append(_SEEN.copy())
    assert [set(seen) for seen in sizes] == [{4}, set(), {6}, {8}, set(), set()]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (((8,),), "it must hold pairs"),
        ((8, 10), "it must hold pairs"),
        (((8, 0),), "it must hold pairs"),
        (((32, 4),), r"up to config\.data\.size, 16"),
        (((8, 20), (12, 10)), "take 30 steps of config.train.steps, 30: none is left at 16"),
    ],
)
def test_stages_that_cannot_be_meant(tiny, tmp_path, given, said):
    tiny.train.stages = given
    with pytest.raises(UserError, match=said):
        train(tiny, tmp_path)


def test_a_trunk_of_one_size_alone_is_told(tiny, tmp_path, monkeypatch):
    monkeypatch.setattr(vit, "_WIDTH", 12)
    monkeypatch.setattr(vit, "_DEPTH", 2)
    with tiny.unlocked():
        tiny.model.args = {}
    tiny.model.trunk = vit.ViTS16
    tiny.data.size = 32
    tiny.train.stages = ((16, 10),)
    with pytest.raises(UserError, match="ViTS16 made for 32 pixels does not take 16"):
        train(tiny, tmp_path)


def test_a_rate_by_depth_needs_a_trunk_that_tells_it(tiny, tmp_path, monkeypatch):
    from tests.pretrained.test_start_from_published import Dense

    with tiny.unlocked():
        tiny.model.args = {}
    tiny.model.trunk = Dense
    tiny.optim.layer_decay = 0.8
    with pytest.raises(UserError, match=r"Dense, which has no by_depth\(\)"):
        train(tiny, tmp_path)
    monkeypatch.setattr(Dense, "by_depth", lambda self: [("layers",)], raising=False)
    with pytest.raises(UserError, match=r"Dense: by_depth\(\) has layer\.\w+ 0 times, not once"):
        train(tiny, tmp_path)


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("augment.crop", 0.5, r"in \[0, 0.5\)"),
        ("augment.crop_share", 1.5, r"in \[0, 1\]"),
        ("augment.mixup", -1.0, "0 or above"),
        ("optim.layer_decay", 0.0, r"in \(0, 1\]"),
    ],
)
def test_amounts_that_cannot_be_meant(tiny, tmp_path, key, value, said):
    update(tiny, {key: value})
    with pytest.raises(UserError, match=f"config.{key} is {value}; it must be {said}"):
        train(tiny, tmp_path)
