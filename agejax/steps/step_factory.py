"""The train step and the predict step that a config describes."""

import bisect
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import optax
from ml_collections import ConfigDict

from agejax import config as configs
from agejax.config import tasks
from agejax.distributed.sharding import Layout
from agejax.errors import UserError
from agejax.kernels.cpu import compiler_options, use_onednn
from agejax.models.structure import Structure
from agejax.optim import frozen_by_depth, make_optimizer, shares_by_depth
from agejax.steps.augment import augment, mirrored, mixup
from agejax.steps.model_factory import abstract_model
from agejax.steps.step import PredictStep, TrainStep, make_predict_step, make_train_step
from agejax.steps.teaching import Teaching
from agejax.types import Tree, Weights


def train_step_of(
    config: ConfigDict,
    graph: Structure,
    class_weights: Mapping[str, Any] | None = None,
    size: int | None = None,
    layout: Layout | None = None,
    teaching: Teaching | None = None,
    shares: Mapping[str, Sequence[float]] | None = None,
) -> tuple[optax.GradientTransformation, TrainStep]:
    """The optimiser and the train step of a config.

    Args:
      config: see `agejax.config.default`.
      graph: the structure of its model.
      class_weights: as in `make_train_step`.
      size: side in pixels to which faces are resampled; None for `config.data.size`.
      layout: as in `make_train_step`.
      teaching: as in `make_train_step`; without it a teacher that the config names is left out.
      shares: {task: how common each class is}, for losses that ask; see `Task.row_loss_by`.
    """
    use_onednn()
    learned = tasks.read(config.tasks)
    by_depth = _by_depth(config)
    optimizer = make_optimizer(steps=config.train.steps, by_depth=by_depth, **config.optim)
    changes = dict(config.augment)
    alpha = changes.pop("mixup")
    train_step = make_train_step(
        graph,
        optimizer,
        task_weights={name: task.weight for name, task in learned.items()},
        losses={name: of.row_loss_by((shares or {}).get(name)) for name, of in learned.items()},
        class_weights=class_weights,
        drop={name: (of.drop, of.drop_steps) for name, of in learned.items() if of.drop},
        seed=config.seed,
        augment=functools.partial(augment, size=size, **changes),
        mix=functools.partial(mixup, alpha=alpha) if alpha else None,
        accumulate=config.train.accumulate,
        ema=config.train.ema,
        remat=config.train.remat,
        steps_per_call=config.train.steps_per_call,
        skip_nonfinite=config.train.skip_nonfinite,
        teaching=teaching,
        layout=layout,
        frozen=_frozen(config, by_depth) if config.optim.frozen_stages else None,
        compiler_options=compiler_options(config.train.deterministic),
    )
    return optimizer, train_step


def train_steps_of(
    config: ConfigDict,
    graph: Structure,
    class_weights: Mapping[str, Any] | None = None,
    layout: Layout | None = None,
    teaching: Teaching | None = None,
    shares: Mapping[str, Sequence[float]] | None = None,
) -> tuple[optax.GradientTransformation, Callable[[int], TrainStep]]:
    """The optimiser, and a function from n, starting at 1, to the train step of the n-th step.

    Progressive resizing: a run first sees small faces, at a fraction of the cost, and only its last
    steps at full size (Howard's fast.ai, 2018; Tan and Le, EfficientNetV2, ICML 2021). Faces are
    resampled on the device, so that a stage only adds one more compiled program.

    Raises:
      UserError: the trunk does not take faces of a stage's size.
    """
    stages = configs.stages(config)
    for _, size in stages[:-1]:
        _check_size(config, size)
    steps = {
        size: train_step_of(config, graph, class_weights, size, layout, teaching, shares)
        for _, size in stages
    }
    starts = [start for start, _ in stages]

    def at(step: int) -> TrainStep:
        return steps[stages[bisect.bisect_left(starts, step) - 1][1]][1]

    return steps[config.data.size][0], at


def _by_depth(config: ConfigDict) -> Sequence[Sequence[str]]:
    """The names of the trunk's parts by stage; none where no setting needs them."""
    needs = {
        "layer_decay": config.optim.layer_decay != 1,
        "frozen_stages": config.optim.frozen_stages,
    }
    keys = [f"config.optim.{key}" for key, needed in needs.items() if needed]
    if not keys:
        return ()
    graph, weights = abstract_model(config)
    trunk = graph.merge(**weights).trunk
    name = type(trunk).__name__
    if not hasattr(trunk, "by_depth"):
        raise UserError(
            f"{keys[0]} needs to know the depth of the parts of {name}, which has no by_depth()"
        )
    by_depth: Sequence[Sequence[str]] = trunk.by_depth()
    try:
        shares_by_depth(weights["params"], config.optim.layer_decay, by_depth)
    except ValueError as error:
        raise UserError(f"{keys[0]}: {name}: {error}") from error
    if config.optim.frozen_stages > len(by_depth):
        raise UserError(
            f"config.optim.frozen_stages is {config.optim.frozen_stages}, but {name} has "
            f"{len(by_depth)} stages"
        )
    return by_depth


def _frozen(config: ConfigDict, by_depth: Sequence[Sequence[str]]) -> Tree:
    params = abstract_model(config)[1]["params"]
    return frozen_by_depth(params, config.optim.frozen_stages, by_depth)


def _check_size(config: ConfigDict, size: int) -> None:
    graph, weights = abstract_model(config)
    image = jax.ShapeDtypeStruct((1, size, size, 3), jnp.uint8)
    try:
        jax.eval_shape(make_predict_step(graph), weights, image)
    except (TypeError, ValueError) as error:
        raise UserError(
            f"config.train.stages: {config.model.trunk.__name__} made for {config.data.size} "
            f"pixels does not take {size}"
        ) from error


def predict_step_of(
    config: ConfigDict, graph: Structure, options: dict[str, Any] | None = None
) -> PredictStep:
    """(weights, uint8 [B, H, W, 3]) -> {task: probabilities float32 [B, classes]}.

    The single predict step of validation, evaluation, prediction and export. With
    `config.model.flip`, the mean over each face and its mirror image, for twice the work; the
    mirror image is cut by `config.model.flip_cut`. `options` are compiler options, by default those
    of this machine.
    """
    use_onednn()
    own = compiler_options(config.train.deterministic)
    step = make_predict_step(graph, own if options is None else options)
    return with_mirror(step, config.model.flip_cut) if config.model.flip else step


def with_mirror(step: PredictStep, cut: float = 0.0) -> PredictStep:
    """A predict step of two views; without a cut, it gives the same for a face and its mirror."""

    def both_ways(weights: Weights, image: Any) -> dict[str, jax.Array]:
        # Two calls of one program: without a cut, a mirrored face gives bitwise the same result.
        image = _float32(image) if cut else image  # the dtype of the resampled view
        as_is, other = step(weights, image), step(weights, mirrored(image, cut=cut))
        return jax.tree.map(lambda a, b: (a + b) / 2, as_is, other)

    return both_ways


@jax.jit
def _float32(image: jax.Array) -> jax.Array:
    return image.astype(jnp.float32)
