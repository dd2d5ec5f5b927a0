"""Every trunk and every head computes the same in ONNX and in StableHLO as it does here."""

import types
from pathlib import Path

import jax
import numpy as np
import pytest

pytest.importorskip("onnxruntime", reason="needs the extra onnx")
pytest.importorskip("onnx", reason="needs the extra onnx")
pytest.importorskip("flatbuffers", reason="needs the extra stablehlo")

from agejax import config as configs
from agejax.exporters import artefact, onnx_file, stablehlo
from agejax.exporters.function import Trained, readings_of
from agejax.metrics.calibration import Calibration
from agejax.models import convnext, heads, vgg, vit
from agejax.models.cnn import SmallCNN, TutorialCNN
from agejax.models.efficientnet_lite import EfficientNetLite0
from agejax.models.face_resnet import FaceResNet, to_face
from agejax.models.multitask import imagenet, per_image, to_unit
from agejax.models.resnet import ResNet18, ResNet50
from agejax.steps.model_factory import abstract_model
from tests.export.networks import shrink

pytestmark = pytest.mark.usefixtures("quick_compilation")

_OFFSET = {"age": np.linspace(0, 1, 101).tolist()}
TAUGHT = Calibration({"age": 1.4, "gender": 0.7}, {"age": 0.2}, 100, _OFFSET)


def trained(trunk, size, *, calibration=TAUGHT, **model):
    """A network with weights and statistics drawn at random, such that its ages differ."""
    config = configs.default()
    config.data.size, config.model.trunk = size, trunk
    head = model.pop("head", None)
    if head:
        config.tasks.age.head = head
    config.model.update(model)
    graph, like = abstract_model(config)
    rng = np.random.default_rng(0)

    def draw(path, x):
        name = path[-1].key
        if name in ("scale", "var"):
            return rng.uniform(0.5, 1.5, x.shape).astype(np.float32)
        scale = np.prod(x.shape[:-1]) ** -0.5 if name == "kernel" else 0.1
        return rng.standard_normal(x.shape, np.float32) * np.float32(scale)

    weights = jax.tree_util.tree_map_with_path(draw, like)
    return Trained(Path("nowhere"), config, 7, graph, weights, calibration, config.model.dtype)


def crops(size, n=6):
    return np.random.default_rng(1).integers(0, 256, (n, size, size, 3), np.uint8)


def compared(model, form, tmp_path):
    file = tmp_path / f"model{form.SUFFIX}"
    form.write(model, file, {})
    return artefact.compare(form.read(file), model, crops(model.config.data.size), "noise")


TRUNKS = {
    "TutorialCNN": (TutorialCNN, 16, {"normalise": per_image, "head_width": 8}),
    "SmallCNN": (SmallCNN, 16, {"flip": True, "flip_cut": 0.1, "normalise": to_unit}),
    "ResNet18": (ResNet18, 32, {"normalise": imagenet}),
    "ResNet50": (ResNet50, 32, {}),
    "EfficientNetLite0": (EfficientNetLite0, 32, {}),
    "FaceResNet": (FaceResNet, 32, {"normalise": to_face}),
    "ViTS16": (vit.ViTS16, 32, {}),
    "ConvNeXtT": (convnext.ConvNeXtT, 32, {}),
    "VGG16": (vgg.VGG16, 32, {}),
}


# XLA takes long to compile what stands in StableHLO, and all trunks are traced for it alike.
CASES = [
    *((name, onnx_file) for name in TRUNKS),
    ("TutorialCNN", stablehlo),
    ("SmallCNN", stablehlo),
]
CASES += [("EfficientNetLite0", stablehlo), ("ViTS16", stablehlo)]


@pytest.mark.parametrize(("name", "form"), CASES)
def test_a_trunk(name, form, tmp_path, monkeypatch):
    trunk, size, settings = TRUNKS[name]
    shrink(monkeypatch)
    found = compared(trained(trunk, size, **settings), form, tmp_path)
    assert found.probability < artefact.TOLERANCE
    assert found.years < 0.01


@pytest.mark.parametrize(
    ("form", "calibration"),
    [(onnx_file, TAUGHT), (onnx_file, Calibration()), (stablehlo, TAUGHT)],
    ids=["onnx", "onnx uncalibrated", "stablehlo"],
)
@pytest.mark.parametrize("head", [heads.OrdinalCNN, heads.Coral, heads.Regression])
def test_a_head(head, form, calibration, tmp_path):
    model = trained(SmallCNN, 16, head=head, calibration=calibration)
    found = compared(model, form, tmp_path)
    assert found.probability < artefact.TOLERANCE
    assert found.years < 0.01


def test_a_run_in_bfloat16_is_exported(tmp_path):
    rough = trained(SmallCNN, 16, dtype="bfloat16")
    with jax.numpy_dtype_promotion("standard"):
        assert compared(rough, stablehlo, tmp_path).probability < artefact.TOLERANCE


def test_no_convolution_of_this_machine_is_in_an_export(tmp_path):
    model = trained(EfficientNetLite0, 32)
    image = jax.ShapeDtypeStruct((2, 32, 32, 3), np.uint8)
    traced = str(jax.make_jaxpr(readings_of(model))(model.weights, image))
    assert "conv_general_dilated" in traced
    assert "platform_index" not in traced
    assert "ffi" not in traced


def test_intervals_of_a_huge_widening_are_all_ages(tmp_path):
    model = trained(SmallCNN, 16, calibration=Calibration({}, {"age": 1000.0}, 3))
    file = tmp_path / "model.onnx"
    onnx_file.write(model, file, {})
    found = onnx_file.read(file)(crops(16))
    np.testing.assert_array_equal(found["age_low"], 0)
    np.testing.assert_array_equal(found["age_high"], 100)


def test_an_export_that_computes_something_else_is_refused_and_not_left(tmp_path):
    model, other = trained(SmallCNN, 16), trained(SmallCNN, 16)
    other.weights["params"]["heads"]["gender"]["bias"] += np.array([0, 0.01], np.float32)
    wrong = types.SimpleNamespace(
        write=lambda trained, file, metadata: onnx_file.write(other, file, metadata),
        read=onnx_file.read,
        versions=onnx_file.versions,
    )
    with pytest.raises(artefact.UserError, match="probabilities differ from the checkpoint's"):
        artefact.export(model, tmp_path / "model.onnx", wrong)
    assert not list(tmp_path.iterdir())


def test_an_export_that_decodes_ages_otherwise_is_refused():
    model = trained(SmallCNN, 16)
    ours = artefact.read_by_jax(model, crops(16))
    ahead = iter([0, 1, 4])

    def shifted(part):
        start = next(ahead)
        rows = {name: x[start : start + len(part)] for name, x in ours.items()}
        return rows | {"age_low": rows["age_low"] - 0.1}

    with pytest.raises(artefact.UserError, match="off from its own distributions"):
        artefact.compare(shifted, model, crops(16), "noise")
