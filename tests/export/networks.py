"""Networks as training leaves them, and faces that show where two runtimes differ."""

import tarfile
from pathlib import Path

import jax
import numpy as np
from flax import nnx

from agejax.data.decode import BadImage, canonical, decode
from agejax.exporters.function import Trained
from agejax.kernels import dispatch
from agejax.metrics.calibration import Calibration
from agejax.models import convnext, efficientnet_lite, face_resnet, vgg, vit
from agejax.models.heads import SplineSoftmax, cubic_splines
from agejax.models.resnet import ResNet18, ResNet50
from agejax.models.structure import stats_of
from agejax.steps.model_factory import abstract_model
from agejax.training.initial_weights import start_from_pretrained
from tests.conftest import SHARED
from tfds_imdb_wiki.paint.face import paint_face

TAUGHT = Calibration({"age": 0.8, "gender": 0.7}, {"age": 0.2}, 100)
_SPREAD = 2.0  # of the logits over faces: a trained network is as sure as this


def shrink(monkeypatch) -> None:
    """Each kind of block stands in the trunks from here on, but fewer times and narrower."""
    monkeypatch.setattr(vgg, "_WIDTHS", (4, 4, 8, 8, 8))
    monkeypatch.setattr(efficientnet_lite, "_STAGES", efficientnet_lite._STAGES[:3])
    monkeypatch.setattr(face_resnet, "_STAGES", ((32, 1), (64, 1)))
    monkeypatch.setattr(convnext, "_DEPTHS", (1, 1, 1, 1))
    monkeypatch.setattr(vit, "_DEPTH", 2)
    monkeypatch.setattr(ResNet18, "depths", (1, 1))
    monkeypatch.setattr(ResNet50, "depths", (1, 1))


def sharp_faces(size: int, n: int) -> np.ndarray:
    """uint8 [n, size, size, 3]: real faces where there are any, else painted ones with grain."""
    archive = SHARED / "wiki_crop.tar"
    return np.stack(_real(archive, size, n) if archive.exists() else _grainy(size, n))


def _real(archive: Path, size: int, n: int) -> list[np.ndarray]:
    faces: list[np.ndarray] = []
    with tarfile.open(archive) as members:
        for member in members:
            if not member.name.endswith(".jpg"):
                continue
            try:
                faces.append(decode(canonical(members.extractfile(member).read()), size))
            except BadImage:
                continue
            if len(faces) == n:
                break
    return faces


def _grainy(size: int, n: int) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    painted = (np.asarray(paint_face(5 + 9 * (i % 10), i % 2, rng, size)) for i in range(n))
    grain = lambda: rng.normal(0, 25, (size, size, 3))
    return [np.clip(face + grain(), 0, 255).astype(np.uint8) for face in painted]


def settled(config, faces: np.ndarray, calibration: Calibration = TAUGHT) -> Trained:
    """A model of a config whose statistics are those of `faces`, and whose ages differ.

    A network with weights and statistics drawn at random saturates: it gives the same for all
    faces, in any runtime, and an error in its pixels does not show.
    """
    graph, weights = abstract_model(config)
    weights = jax.tree_util.tree_map_with_path(_drawn(np.random.default_rng(0)), weights)
    if config.model.pretrained:
        weights, _ = start_from_pretrained(config, weights)

    @jax.jit
    def settle(params, stats, faces):
        model = graph.merge(params, stats, jax.random.key(0))
        norms = [part for _, part in nnx.iter_modules(model) if isinstance(part, nnx.BatchNorm)]
        for norm in norms:
            norm.momentum = 0.0  # of the past: what one pass leaves is that batch's own
        if norms:
            model(faces, jax.random.key(0))
        stats = stats_of(model)
        return stats, graph.merge(params, stats)(faces)

    with dispatch.portable(), jax.numpy_dtype_promotion("standard"):
        stats, logits = settle(weights["params"], weights["stats"], faces)
    weights = jax.tree.map(np.array, {"params": weights["params"], "stats": stats})
    for task, rows in logits.items():
        head, deviation = weights["params"]["heads"][task], np.std(rows - rows.mean(0)[None])
        head["kernel"] *= np.float32(_SPREAD / deviation)
        if rows.shape[1] == 1:  # the age itself
            head["kernel"] *= 8
            head["bias"][:] = 45
        elif rows.shape[1] < config.tasks[task].classes:  # thresholds
            head["bias"][:] = np.linspace(4, -4, rows.shape[1])
    for task, module in graph.merge(weights["params"], weights["stats"]).heads.items():
        if isinstance(module, SplineSoftmax):  # what all faces share would decide the age
            rows = settle(weights["params"], weights["stats"], faces)[1][task]
            splines = cubic_splines(module.knots, module.classes)
            shared = np.linalg.lstsq(splines.T, np.mean(rows, 0))[0]
            weights["params"]["heads"][task]["bias"] -= shared
    return Trained(Path("nowhere"), config, 7, graph, weights, calibration, config.model.dtype)


def _drawn(rng):
    def draw(path, x):
        name = path[-1].key
        if name in ("scale", "var"):
            return np.ones(x.shape, np.float32)
        deviation = (2 / np.prod(x.shape[:-1])) ** 0.5 if x.ndim > 1 else 0.1
        return rng.standard_normal(x.shape, np.float32) * np.float32(deviation)

    return draw
