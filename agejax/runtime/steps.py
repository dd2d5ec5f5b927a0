"""The train step and the predict step that a config asks for."""

import functools
from collections.abc import Mapping
from typing import Any

import jax
import optax
from flax import nnx
from ml_collections import ConfigDict

from agejax import tasks
from agejax.runtime.cpu import compiler_options
from agejax.train.augment import augment
from agejax.train.optim import make_optimizer
from agejax.train.step import PredictStep, TrainStep, make_predict_step, make_train_step
from agejax.types import Weights


def train_step_of(
    config: ConfigDict, graph: nnx.GraphDef, class_weights: Mapping[str, Any] | None = None
) -> tuple[optax.GradientTransformation, TrainStep]:
    """The optimiser and the train step of a config; `class_weights` as in `make_train_step`."""
    learnt = tasks.read(config.tasks)
    optimizer = make_optimizer(steps=config.train.steps, **config.optim)
    train_step = make_train_step(
        graph,
        optimizer,
        task_weights={name: task.weight for name, task in learnt.items()},
        losses={name: task.row_loss for name, task in learnt.items()},
        class_weights=class_weights,
        seed=config.seed,
        augment=functools.partial(augment, **config.augment),
        accumulate=config.train.accumulate,
        ema=config.train.ema,
        remat=config.train.remat,
        steps_per_call=config.train.steps_per_call,
        skip_nonfinite=config.train.skip_nonfinite,
        compiler_options=compiler_options(),
    )
    return optimizer, train_step


def predict_step_of(config: ConfigDict, graph: nnx.GraphDef) -> PredictStep:
    """(weights, uint8 [B, H, W, 3]) -> {task: probabilities float32 [B, classes]}.

    One for validation, evaluation and prediction. With `config.model.flip`, the mean over each face
    and its mirror image, for twice the work.
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
