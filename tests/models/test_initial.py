"""A model whose shapes alone are asked for has the structure of one that is drawn."""

import jax

from agejax import config as configs
from agejax.models.face_resnet import FaceResNet
from agejax.steps import model_factory


def test_shapes_are_those_of_drawn_weights():
    config = configs.default()
    config.model.trunk = FaceResNet
    graph, shapes = model_factory.abstract_model(config)
    drawn_graph, drawn = model_factory._built(config, jax.eval_shape)
    assert graph == drawn_graph
    assert jax.tree.leaves(shapes) == jax.tree.leaves(drawn)
    assert jax.tree.structure(shapes) == jax.tree.structure(drawn)
