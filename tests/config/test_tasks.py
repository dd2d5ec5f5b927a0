import json

import jax.numpy as jnp
import numpy as np
import pytest

from agejax import config as configs
from agejax.config import label_counts, tasks, validation
from agejax.errors import UserError
from agejax.inference.predictor import load
from agejax.losses.balance import inverse, smoothed_inverse
from agejax.losses.row_losses import cross_entropy, l1, label_distribution, mean_variance, ordinal
from agejax.models.heads import Coral, OrdinalCNN, Regression, Softmax
from agejax.training.loop import train

pytestmark = pytest.mark.usefixtures("quick_compilation")

OLD = {"age": {"classes": 101, "weight": 1.0}, "gender": {"classes": 2, "weight": 1.0}}


def with_age(config=None, **age):
    config = config or configs.default()
    with config.unlocked():
        config.tasks.age.update(age)
    return config


def again(config):
    return configs.from_json(configs.to_json(config), "here")


def test_classes_alone_is_a_whole_task():
    (task,) = tasks.read({"race": {"classes": 5}}).values()
    assert task == tasks.Task(5, 1.0, Softmax, cross_entropy, {}, None, {})


def test_a_config_of_before_there_were_heads_is_the_default_one():
    written = json.loads(configs.to_json(configs.default()))
    theirs = configs.from_json(json.dumps(written | {"tasks": OLD}), "here")
    assert list(configs.differences(configs.default(), theirs)) == []
    short = configs.default()
    with short.unlocked():
        short.tasks = OLD
    validation.check(short)
    assert configs.to_json(short) == configs.to_json(configs.default())


def test_what_is_written_is_read_again():
    age = {"loss": label_distribution, "loss_args": {"sigma": 3.0}}
    config = with_age(**age, balance=smoothed_inverse, balance_args={"kernel_size": 9})
    assert tasks.read(again(config).tasks) == tasks.read(config.tasks)
    assert list(configs.differences(config, again(config))) == []
    written = json.loads(configs.to_json(config))["tasks"]["age"]
    assert written["loss"] == "agejax.losses.row_losses:label_distribution"
    assert written["balance"] == "agejax.losses.balance:smoothed_inverse"
    said = list(configs.differences(config, configs.default()))
    keys = ["balance", "balance_args.kernel_size", "loss", "loss_args.sigma"]
    assert [line.split()[0] for line in said] == [f"config.tasks.age.{key}" for key in keys]


def test_callables_are_set_by_name_too():
    config = again(configs.default())
    names = {"head": "models.heads:Coral", "loss": "train.losses:ordinal"}
    names["balance"] = "train.balance:inverse"
    configs.update(config, {f"tasks.age.{key}": f"agejax.{name}" for key, name in names.items()})
    validation.check(config)
    age = tasks.read(config.tasks)["age"]
    assert (age.head, age.loss, age.balance) == (Coral, ordinal, inverse)
    assert tasks.read(again(config).tasks)["age"] == age


@pytest.mark.parametrize(
    ("age", "said"),
    [
        ({"loss": l1}, "loss l1 suits a head Regression, not Softmax"),
        ({"head": Regression}, "loss cross_entropy suits a head Softmax, not Regression"),
        ({"loss": ordinal}, "suits a head OrdinalCNN or Coral, not Softmax"),
        ({"head": OrdinalCNN, "loss": mean_variance}, "mean_variance suits"),
        ({"loss_args": {"smothing": 0.1}}, "cross_entropy, with its loss_args, does not suit"),
        ({"loss": label_distribution, "loss_args": {"sigma": 0.0}}, "must be above 0"),
        ({"loss": "agejax.losses.row_losses:nonsense"}, "cannot be imported"),
        ({"loss": "."}, "'.' cannot be imported"),
        ({"loss": jnp.exp}, "does not suit"),
        ({"loss": jnp.subtract}, "does not suit|not one for each"),
        ({"loss": 3}, "must be a function"),
        ({"classes": 10**30}, "from 2 to 100,000"),
        ({"weight": float("nan")}, "is nan"),
        ({"head": cross_entropy}, "must be an nnx.Module class"),
        ({"classes": 1}, "from 2 to"),
        ({"weight": -1.0}, "at least 0"),
        ({"balance": 3}, "None or a function"),
        ({"balance": np.mean}, "no finite weight for each class"),
        ({"balance": inverse, "balance_args": {"pwer": 2}}, "balance_args, fails"),
        ({"logit_adjustment": 1.5}, "is 1.5; it must be from 0 to 1"),
        ({"lss": l1}, "of which classes is needed"),
    ],
)
def test_tasks_that_cannot_be_meant_are_told_in_one_line(age, said):
    with pytest.raises(UserError, match=said) as error:
        validation.check(with_age(**age))
    assert "\n" not in str(error.value)
    assert "config" in str(error.value)


def test_no_weight_at_all():
    config = with_age(weight=0.0)
    config.tasks.gender.weight = 0.0
    with pytest.raises(UserError, match="no task has a weight above 0"):
        validation.check(config)


def test_class_weights_count_known_labels():
    labels = {"age": np.array([0, 0, 0, 1, 1, 2], np.int32)}
    known = {"age": np.array([True, True, True, True, False, False])}
    task = tasks.Task(4, balance=inverse, balance_args={"least": 1})
    weights = label_counts.class_weights({"age": task}, labels, known)["age"]
    assert weights.dtype == np.float32
    np.testing.assert_allclose(weights, [2 / 3, 2, 0, 0])
    assert label_counts.class_weights({"age": tasks.Task(4)}, labels, known) == {}


def test_logits_are_adjusted_by_the_shares_of_known_labels():
    labels = {"gender": np.array([0, 0, 0, 1, 1], np.int32), "age": np.zeros(5, np.int32)}
    known = {"gender": np.array([True, True, True, True, False]), "age": np.ones(5, bool)}
    adjusted = {"gender": tasks.Task(2, logit_adjustment=0.5), "age": tasks.Task(101)}
    offsets = label_counts.logit_offsets(adjusted, labels, known)
    assert offsets.keys() == {"gender"}
    np.testing.assert_allclose(offsets["gender"], [0, 0.5 * np.log(3)])


def test_a_run_with_other_heads_trains_and_predicts(tiny, tmp_path):
    with tiny.unlocked():
        tiny.tasks.age.update(head=Coral, loss=ordinal, balance=smoothed_inverse)
        tiny.tasks.gender.update(loss_args={"smoothing": 0.1}, balance=inverse)
    tiny.train.steps = 12
    train(tiny, tmp_path)
    predictor = load(tmp_path)
    p = predictor.probabilities(np.zeros((3, 16, 16, 3), np.uint8))["age"]
    assert p.shape == (3, 101)
    np.testing.assert_allclose(p.sum(-1), 1, atol=1e-5)
    tiny.tasks.age.balance = inverse
    with pytest.raises(UserError, match=r"config\.tasks\.age\.balance was '.*smoothed_inverse'"):
        train(tiny, tmp_path)


def test_the_command_line_names_a_loss(launch, tmp_path, monkeypatch):
    monkeypatch.setenv("XLA_FLAGS", "--xla_backend_optimization_level=0")  # no figure counts
    named = "--config.tasks.age.loss=agejax.losses.row_losses:"
    process = launch(f"--workdir={tmp_path / 'a'}", named + "l1")
    _, err = process.communicate()
    assert process.returncode == 2, err
    assert "config.tasks.age: the loss l1 suits a head Regression" in err
    assert len(err.strip().splitlines()) == 1
    steps = ["--config.train.steps=6", "--config.train.log_every=6"]
    process = launch(f"--workdir={tmp_path / 'b'}", named + "label_distribution", *steps)
    _, err = process.communicate()
    assert process.returncode == 0, err
    again = configs.from_json((tmp_path / "b" / "config.json").read_text(), "here")
    assert tasks.read(again.tasks)["age"].loss is label_distribution
