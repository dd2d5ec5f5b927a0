"""A batch whose loss or gradient is not finite is caught in its step and never reaches the weights.

The poison is a loss that is not finite for faces of one age, each in its own way.
"""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from agejax.checkpoints.checkpoint import Checkpoints
from agejax.errors import UserError
from agejax.evaluation.open_split import open_split
from agejax.losses.row_losses import cross_entropy
from agejax.training.loop import train
from tests.runs import assert_identical, leaves, metrics

pytestmark = pytest.mark.usefixtures("quick_compilation")


def poison(logits, label, kind, age):
    """The cross-entropy, [B], but for faces of that age."""
    loss = cross_entropy(logits, label)
    x = jnp.where(label == age, logits[:, 0], 0)  # other rows get nothing of its gradient
    bad = {
        "loss is NaN": x * jnp.nan,
        "loss is infinite": x + jnp.inf,
        "gradient is NaN": jnp.sqrt(x * 0),  # the loss itself is 0
        "gradient is infinite": x * 3e38 * 10,
        "gradient's square is infinite": x * 1e30,
    }[kind]
    return jnp.where(label == age, bad, loss)


KINDS = (
    *("loss is NaN", "loss is infinite", "gradient is NaN", "gradient is infinite"),
    "gradient's square is infinite",
)
AGE = 33


def of_nan(logits, label):
    return poison(logits, label, "loss is NaN", AGE)


def of_gradient(logits, label):
    return poison(logits, label, "gradient is NaN", AGE)


def poisoned_steps(config):
    """{step, from 1 on: the paths of its faces} of the steps that see the age."""
    from agejax.data.stream import step_rows

    faces = open_split(config, "train")
    rows = step_rows(faces, seed=config.seed, batch_size=config.train.batch_size)
    batches = {step: rows(step - 1) for step in range(1, config.train.steps + 1)}
    age, known = faces.labels["age"], faces.known["age"]
    assert AGE in age
    return {
        step: faces.path[batch].tolist()
        for step, batch in batches.items()
        if any(age[batch] == AGE) and known[batch].any()
    }


def refused(workdir):
    """{step: faces} of refused.jsonl."""
    lines = (workdir / "refused.jsonl").read_text().splitlines()
    found = [json.loads(line) for line in lines]
    assert len({line["step"] for line in found}) == len(found)
    return {line["step"]: line["faces"] for line in found}


@pytest.mark.parametrize("loss", [of_nan, of_gradient])
def test_a_run_stops_at_the_batch_and_names_its_faces(tiny, tmp_path, loss):
    tiny.tasks.age.loss = loss
    expected = poisoned_steps(tiny)
    first = min(expected)
    with pytest.raises(UserError, match=rf"gradient of step {first} is not finite") as error:
        train(tiny, tmp_path)
    assert "\n" not in str(error.value)
    assert refused(tmp_path) == {first: expected[first]}
    assert Checkpoints(tmp_path, read_only=True).latest() == first - 1
    for x in jax.tree.leaves(leaves(tmp_path, first - 1)):
        assert np.isfinite(x).all()
    with pytest.raises(UserError, match=rf"step {first} "):  # and again, until something is done
        train(tiny, tmp_path)
    assert refused(tmp_path) == {first: expected[first]}


def test_batches_are_passed_over_where_that_is_asked_for_and_a_resumed_run_is_the_same(
    tiny, tmp_path
):
    tiny.tasks.age.loss = of_nan
    tiny.train.update(steps=18)
    expected = poisoned_steps(tiny)
    assert 1 < len(expected) < 18
    with pytest.raises(UserError, match="not finite"):
        train(tiny, tmp_path / "stopped")
    tiny.train.skip_nonfinite = 18
    train(tiny, tmp_path / "stopped")
    train(tiny, tmp_path / "unbroken")
    assert_identical(tmp_path / "stopped", tmp_path / "unbroken", 18)
    assert metrics(tmp_path / "stopped") == metrics(tmp_path / "unbroken")
    assert refused(tmp_path / "unbroken") == refused(tmp_path / "stopped") == expected
    lines = metrics(tmp_path / "unbroken")
    counted = [line.get("refused", 0) for line in lines if "loss" in line]
    logged = range(4, 17, 4)
    assert counted == [sum(step - 4 < s <= step for s in expected) for step in logged]
    for x in jax.tree.leaves(leaves(tmp_path / "unbroken", 18)):
        assert np.isfinite(x).all()


def test_more_in_a_row_than_may_be_passed_over_stop_the_run(tiny, tmp_path):
    tiny.tasks.age.loss = of_nan
    tiny.train.steps_per_call = 2
    tiny.train.update(steps=24, batch_size=64)  # nearly every batch has a face of that age
    expected = sorted(poisoned_steps(tiny))
    ends = [s for s in expected if s - 1 in expected and s - 2 in expected]
    tiny.train.skip_nonfinite = 2
    with pytest.raises(UserError, match=rf"step {min(ends)} is not finite"):
        train(tiny, tmp_path)
    assert sorted(refused(tmp_path)) == [s for s in expected if s <= min(ends)]
