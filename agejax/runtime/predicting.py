"""The predict step that a config asks for: one for validation, evaluation and prediction."""

from typing import Any

import jax
from flax import nnx
from ml_collections import ConfigDict

from agejax.runtime.cpu import compiler_options
from agejax.train.step import PredictStep, make_predict_step
from agejax.types import Weights


def predict_step_of(config: ConfigDict, graph: nnx.GraphDef) -> PredictStep:
    """(weights, uint8 [B, H, W, 3]) -> {task: probabilities float32 [B, classes]}.

    With `config.model.flip`, the mean over each face and its mirror image, for twice the work.
    """
    step = make_predict_step(graph, compiler_options())
    return with_mirror(step) if config.model.flip else step


def with_mirror(step: PredictStep) -> PredictStep:
    """A predict step whose probabilities do not depend on which way a face looks."""

    def both_ways(weights: Weights, image: Any) -> dict[str, jax.Array]:
        # Two calls of one program: a mirrored face gives the same to the last bit.
        as_is, mirrored = step(weights, image), step(weights, image[:, :, ::-1])
        return jax.tree.map(lambda a, b: (a + b) / 2, as_is, mirrored)

    return both_ways
