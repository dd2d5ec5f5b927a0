"""The networks that are compared, and the batches that all sides use."""

import dataclasses
import importlib
from typing import Any

import numpy as np


@dataclasses.dataclass(frozen=True)
class Network:
    """A network, and its input size on a CPU and on a GPU.

    Attributes:
      trunk: "module:name" in agejax; the peers' are in `torch_nets.py` and `steps_keras.py`.
      cpu: side of the image in pixels, and batch size.
      gpu: the same for a GPU.
      head_width: width of the hidden layer of each head.
      args: arguments of the trunk.
    """

    trunk: str
    cpu: tuple[int, int]
    gpu: tuple[int, int]
    head_width: int = 0
    args: dict[str, Any] = dataclasses.field(default_factory=dict)

    def load(self) -> type:
        """The trunk's class."""
        module, _, name = self.trunk.partition(":")
        return getattr(importlib.import_module(f"agejax.models.{module}"), name)


NETWORKS = {
    "tutorial_cnn": Network("cnn:TutorialCNN", (224, 32), (224, 256), head_width=1024),
    "small_cnn": Network("cnn:SmallCNN", (128, 64), (128, 1024), args={"depths": (1, 2, 2, 2)}),
    "resnet18": Network("resnet:ResNet18", (112, 32), (224, 512)),
    "efficientnet_lite0": Network("efficientnet_lite:EfficientNetLite0", (112, 32), (224, 256)),
    "resnet50": Network("resnet:ResNet50", (112, 32), (224, 256)),
    "face_resnet": Network("face_resnet:FaceResNet", (112, 64), (112, 512)),
    "vgg16": Network("vgg:VGG16", (112, 16), (224, 128)),
    "vit_s16": Network("vit:ViTS16", (112, 32), (224, 256)),
}


def faces(size: int, batch_size: int) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Random pixels, uint8 [B, size, size, 3], and labels, int32 [B], from a fixed seed."""
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (batch_size, size, size, 3), np.uint8)
    ages = rng.integers(0, 101, batch_size, np.int32)
    return image, {"age": ages, "gender": rng.integers(0, 2, batch_size, np.int32)}
