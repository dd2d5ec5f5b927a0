"""The size of every trunk for which published weights exist: features, weights, FLOPs.

    python benchmarks/trunks.py

FLOPs are those of predicting a face, including heads; a multiply-add counts as two.
"""

import jax
import jax.numpy as jnp

from agejax import config as configs
from agejax.experiments.describe import cost
from agejax.models.convnext import ConvNeXtT
from agejax.models.efficientnet_lite import EfficientNetLite0, EfficientNetLite1, EfficientNetLite2
from agejax.models.face_resnet import FaceResNet
from agejax.models.resnet import ResNet18, ResNet50
from agejax.models.vgg import VGG16
from agejax.models.vit import ViTS16
from agejax.steps.model_factory import abstract_model
from agejax.steps.step import make_predict_step


def main():
    print("trunk               features   million weights   GFLOP at 112 px   at 224 px")
    lite = (EfficientNetLite0, EfficientNetLite1, EfficientNetLite2)
    for trunk in (*lite, FaceResNet, ResNet18, ResNet50, ViTS16, ConvNeXtT, VGG16):
        config, operations = configs.default(), []
        config.model.trunk = trunk
        for config.data.size in (112, 224):
            graph, weights = abstract_model(config)
            face = jax.ShapeDtypeStruct((1, config.data.size, config.data.size, 3), jnp.uint8)
            operations.append(cost(make_predict_step(graph), weights, face)["flops"] / 1e9)
        count = sum(x.size for x in jax.tree.leaves(weights["params"]["trunk"])) / 1e6
        features = weights["params"]["heads"]["age"]["kernel"].shape[0]
        print(
            f"{trunk.__name__:18} {features:9,} {count:17.1f}",
            *(f"{n:15.2f}" for n in operations),
        )


if __name__ == "__main__":
    main()
