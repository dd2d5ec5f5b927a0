"""What `steps.py` compares, and the batches that all are given."""

import numpy as np

# trunk, its arguments, width before the heads, pixels a side, batch, whether Keras runs it too
NETWORKS = {
    "tutorial_cnn": ("agejax.models.cnn:TutorialCNN", {}, 1024, 224, 32, True),
    "small_cnn": ("agejax.models.cnn:SmallCNN", {"depths": (1, 2, 2, 2)}, 0, 128, 64, False),
    "resnet18": ("agejax.models.resnet:ResNet18", {}, 0, 112, 32, False),
    "efficientnet_lite0": (
        "agejax.models.efficientnet_lite:EfficientNetLite0",
        *({}, 0, 112, 32, False),
    ),
}


def faces(name: str) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Random pixels, uint8 [B, size, size, 3], and labels int32 [B], always the same."""
    *_, size, batch_size, _ = NETWORKS[name]
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (batch_size, size, size, 3), np.uint8)
    ages = rng.integers(0, 101, batch_size, np.int32)
    return image, {"age": ages, "gender": rng.integers(0, 2, batch_size, np.int32)}
