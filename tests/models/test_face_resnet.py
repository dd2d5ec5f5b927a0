"""dlib's face recognition network beside dlib itself."""

import jax.numpy as jnp
import numpy as np
import pytest

from agejax import config as configs
from agejax.errors import UserError
from agejax.models.face_resnet import FaceResNet, to_face
from agejax.pretrained.readers import read_weights
from agejax.pretrained.start_from import dlib_faces
from agejax.steps.model_factory import abstract_model
from agejax.training.initial_weights import start_from_pretrained

dlib = pytest.importorskip("dlib", reason="needs the extra bench")
try:
    dlib_faces()
except UserError as error:
    pytest.skip(f"needs the extra pretrained-faces: {error}", allow_module_level=True)


def test_embeddings_are_dlibs():
    config = configs.default()
    config.model.update(trunk=FaceResNet, normalise=to_face)
    config.model.pretrained = "agejax.pretrained.start_from:dlib_faces"
    config.data.size = 150
    graph, weights = abstract_model(config)
    weights, report = start_from_pretrained(config, weights)
    assert report.skipped == ("fc.weight",)
    faces = np.random.default_rng(0).integers(0, 256, (2, 5, 5, 3), np.uint8)
    faces = faces.repeat(30, 1).repeat(30, 2)
    trunk = graph.merge(**weights).trunk
    features = trunk(to_face(jnp.asarray(faces, jnp.float32)), None)
    ours = np.asarray(features) @ read_weights(dlib_faces())["fc.weight"]
    theirs = dlib.face_recognition_model_v1(str(dlib_faces())).compute_face_descriptor
    theirs = np.array([theirs(face) for face in faces])
    error = np.abs(ours - theirs).max() / np.abs(theirs).max()
    print(f"FaceResNet, 150 pixels: {error:.1e}")
    assert theirs.std(0).max() > 1e-3
    assert error < 1e-4
