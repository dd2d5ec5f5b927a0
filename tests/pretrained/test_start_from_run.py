"""A run that starts from the weights of another one."""

import jax
import numpy as np
import pytest

from agejax.checkpoints.run_dir import read_checkpoint
from agejax.errors import UserError
from agejax.losses.row_losses import ordinal
from agejax.models.heads import Coral, OrdinalCNN
from agejax.models.multitask import per_image
from agejax.steps.model_factory import make_model
from agejax.training.initial_weights import start_from_pretrained

pytestmark = pytest.mark.usefixtures("quick_compilation")


def start(config, path):
    config.model.pretrained = str(path)
    return start_from_pretrained(config, make_model(config)[1])


def saved(run):
    return read_checkpoint(run).weights


def test_all_weights_are_those_of_the_run(run, tiny):
    theirs = saved(run)
    tiny.seed = 9
    weights, report = start(tiny, run)
    jax.tree.map(np.testing.assert_array_equal, dict(weights), dict(theirs))
    assert (report.skipped, report.new) == ((), ())
    assert len(report.loaded) == len(jax.tree.leaves(theirs))
    assert "loaded; skipped: nothing; new: nothing\n" in str(report)
    assert report.expects == "16 pixels a side, agejax.models.multitask:to_unit"


def test_a_checkpoint_can_be_named(run, tiny):
    for path in (run / "checkpoints", run / "checkpoints" / "30"):
        assert start(tiny, path)[1].where.startswith(str(run / "checkpoints"))
    assert start(tiny, run / "checkpoints" / "30")[1].where.endswith("/30")


def test_heads_of_another_kind_or_width_are_new_and_unknown_ones_skipped(run, tiny):
    theirs = saved(run)
    with tiny.unlocked():
        tiny.tasks.age.update(head=Coral, loss=ordinal)
        tiny.tasks.race = {"classes": 5}
        del tiny.tasks.gender
    weights, report = start(tiny, run)
    assert report.skipped == ("heads.age", "heads.gender")
    assert report.new == ("heads.age", "heads.race")
    fresh = make_model(tiny)[1]
    for task in ("age", "race"):
        jax.tree.map(
            np.testing.assert_array_equal,
            weights["params"]["heads"][task],
            fresh["params"]["heads"][task],
        )
    jax.tree.map(
        np.testing.assert_array_equal, weights["params"]["trunk"], theirs["params"]["trunk"]
    )
    jax.tree.map(np.testing.assert_array_equal, weights["stats"], theirs["stats"])


def test_heads_are_never_mixed_of_old_and_new(run, tiny):
    tiny.model.head_width = 16  # the trunk's own width: the shapes of the heads' last layer agree
    _, report = start(tiny, run)
    assert report.skipped == ("heads.age", "heads.gender")
    assert report.new == ("heads.age", "heads.gender", "hidden.age", "hidden.gender")
    tiny.model.head_width = 0
    with tiny.unlocked():
        tiny.tasks.age.update(head=OrdinalCNN, loss=ordinal)
    assert start(tiny, run)[1].new == ("heads.age",)


def test_pixels_that_differ_are_told(run, tiny):
    tiny.model.normalise = per_image
    expects = start(tiny, run)[1].expects
    assert expects.endswith("; this run has 16 pixels a side, agejax.models.multitask:per_image")


def test_another_trunk_is_refused_in_one_line(run, tiny, tmp_path):
    tiny.model.args.widths = (24,)
    with pytest.raises(UserError, match="is of another trunk: ") as error:
        start(tiny, run)
    assert "\n" not in str(error.value)
    with pytest.raises(UserError, match="no trained run here"):
        start(tiny, tmp_path)
