"""Every config of `configs/`, and every published trunk, is the same in every format.

With its own size, flip and flip_cut, on sharp faces, within the bound of `agejax export`.
"""

import json

import numpy as np
import pytest

pytest.importorskip("onnxruntime", reason="needs the extra onnx")
pytest.importorskip("onnx", reason="needs the extra onnx")
pytest.importorskip("flatbuffers", reason="needs the extra stablehlo")

from agejax import config as configs
from agejax.config import sweeps
from agejax.errors import UserError
from agejax.exporters import artefact, onnx_file, stablehlo, web
from agejax.models import convnext, efficientnet_lite, resnet, vgg, vit
from agejax.models.cnn import SmallCNN, TutorialCNN
from agejax.models.face_resnet import FaceResNet, to_face
from agejax.models.multitask import imagenet
from examples.mixer import Mixer
from tests.conftest import ROOT
from tests.export.networks import settled, sharp_faces, shrink

pytestmark = pytest.mark.usefixtures("quick_compilation")


def small_size(config):
    """Pixels a side of the test in small; at 224, a matrix of TutorialCNN's is 400 MB."""
    return 32 if config.model.trunk is TutorialCNN else config.data.size


def recipes():
    """{name: config} of all of `configs/`, their sweeps too; of those that export alike, one.

    Also the names of those that are different networks in small.
    """
    files = sorted((ROOT / "configs").glob("*.py"))
    every = {file.stem: configs.from_file(file) for file in files}
    for file in files:
        if "def get_sweep" in file.read_text():
            every |= sweeps.read(file, every[file.stem], {})
    found, of_network = {}, {}
    for name, config in every.items():
        written = json.loads(configs.to_json(config))
        tasks = {task: (of["classes"], of["head"]) for task, of in written["tasks"].items()}
        exported = json.dumps([written["model"], config.data.size, tasks])
        found.setdefault(exported, (name, config))
        small = {k: v for k, v in written["model"].items() if k not in ("args", "pretrained")}
        of_network.setdefault(json.dumps([small, small_size(config), tasks]), name)
    return dict(found.values()), list(of_network.values())


RECIPES, NETWORKS = recipes()
_FEWER = {SmallCNN: {"widths": (8, 16), "depths": (1, 1)}, Mixer: {"depth": 1}}
FORMS = {"onnx": onnx_file, "stablehlo": stablehlo}


def assert_same(model, faces, form, tmp_path):
    file = tmp_path / f"model{form.SUFFIX}"
    form.write(model, file, {})
    read = form.read(file)
    found = artefact.compare(read, model, faces, "sharp faces")
    assert found.probability < artefact.TOLERANCE
    assert np.std(read(faces)["age"]) > 1  # or nothing could have differed


@pytest.mark.parametrize("name", NETWORKS)
def test_a_recipe_in_small(name, tmp_path, monkeypatch):
    shrink(monkeypatch)
    config = RECIPES[name].copy_and_resolve_references()
    config.model.pretrained = None
    with config.unlocked():
        config.model.args.update(_FEWER.get(config.model.trunk, {}))
    config.data.size = small_size(config)
    faces = sharp_faces(config.data.size, 8)
    model = settled(config, faces)
    assert_same(model, faces, onnx_file, tmp_path)
    if config.model.flip:  # XLA takes long to compile it
        assert_same(model, faces, stablehlo, tmp_path)


def test_dlibs_network_as_it_is_trained(tmp_path):
    config = RECIPES["face_resnet"]
    pytest.importorskip("face_recognition_models", reason="needs the extra pretrained-faces")
    faces = sharp_faces(config.data.size, 16)
    assert_same(settled(config, faces), faces, onnx_file, tmp_path)


@pytest.mark.parametrize("cut", [0.02, 0.1])
def test_any_cut_is_the_same_view(cut, tmp_path):
    config = configs.default()
    config.data.size = 40
    with config.unlocked():
        config.model.args = _FEWER[SmallCNN]
    config.model.update(flip=True, flip_cut=cut)
    faces = sharp_faces(40, 16)
    assert_same(settled(config, faces), faces, onnx_file, tmp_path)


@pytest.mark.battery
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe(name, form, tmp_path):
    config = RECIPES[name]
    faces = sharp_faces(config.data.size, 12)
    assert_same(settled(config, faces), faces, FORMS[form], tmp_path)


@pytest.mark.battery
@pytest.mark.parametrize("name", ["face_resnet", "efficientnet_lite0"])
def test_a_recipes_page(name, tmp_path):
    config = RECIPES[name]
    faces = sharp_faces(config.data.size, 12)
    model = settled(config, faces)
    try:
        found = web.export_page(model, tmp_path / "page")
    except UserError as error:
        if "npm" not in str(error) and "extra" not in str(error):
            raise
        pytest.skip(f"no page can be made here: {error}")
    assert found.probability < artefact.TOLERANCE
    page = tmp_path / "page" / "model.onnx"
    assert artefact.compare(onnx_file.read(page), model, faces, "").probability < 1e-4


PUBLISHED = {
    "SmallCNN": (SmallCNN, 64, {}),
    "TutorialCNN": (TutorialCNN, 64, {"head_width": 1024}),
    "ResNet18": (resnet.ResNet18, 224, {"normalise": imagenet}),
    "ResNet50": (resnet.ResNet50, 224, {"normalise": imagenet}),
    "EfficientNetLite0": (efficientnet_lite.EfficientNetLite0, 224, {}),
    "EfficientNetLite1": (efficientnet_lite.EfficientNetLite1, 240, {}),
    "EfficientNetLite2": (efficientnet_lite.EfficientNetLite2, 260, {}),
    "FaceResNet": (FaceResNet, 150, {"normalise": to_face}),
    "ViTS16": (vit.ViTS16, 224, {"normalise": imagenet}),
    "ConvNeXtT": (convnext.ConvNeXtT, 224, {"normalise": imagenet}),
    "VGG16": (vgg.VGG16, 224, {"normalise": imagenet}),
}


@pytest.mark.battery
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", PUBLISHED)
def test_a_trunk_with_a_closer_view(name, form, tmp_path):
    trunk, size, settings = PUBLISHED[name]
    config = configs.default()
    config.data.size = size
    config.model.update(trunk=trunk, flip=True, flip_cut=0.06, **settings)
    faces = sharp_faces(size, 8)
    assert_same(settled(config, faces), faces, FORMS[form], tmp_path)
