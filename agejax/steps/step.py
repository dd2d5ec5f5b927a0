"""The train step and the predict step: the only code that is jitted."""

import functools
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from agejax.distributed.sharding import Layout
from agejax.losses.distillation import distillation_loss
from agejax.losses.row_losses import RowLoss, counted, multitask_loss
from agejax.losses.selection import share_at
from agejax.metrics.masked_sums import metric_sums
from agejax.models.layers import products
from agejax.models.structure import Structure, stats_of
from agejax.steps.nonfinite import finite, taken
from agejax.steps.teaching import Teaching
from agejax.types import Batch, TrainState, Tree, Weights

# (state, batch, pixels, weights of a teacher)
TrainStep = Callable[..., tuple[TrainState, jax.Array]]
PredictStep = Callable[[Weights, Any], dict[str, jax.Array]]


def init_state(
    graph: Structure, weights: Weights, optimizer: optax.GradientTransformation, ema: bool
) -> TrainState:
    """The state before the first step."""
    tasks = graph.merge(**weights).heads
    # On NumPy arrays: on JAX's, each operation would be a program to compile before the first step.
    flat = {task: np.zeros((1, head.classes), np.float32) for task, head in tasks.items()}
    nothing = dict.fromkeys(flat, np.zeros(1, np.int32))
    return TrainState(
        step=jnp.int32(0),
        params=weights["params"],
        stats=weights["stats"],
        opt=optimizer.init(weights["params"]),
        ema=copied(dict(weights)) if ema else {},
        window={
            "loss": jnp.float32(0),
            "refused": jnp.int32(0),
            "tasks": jax.tree.map(jnp.float32, metric_sums(flat, nothing, nothing)),
        },
        refused=jnp.int32(0),
    )


def make_train_step(
    graph: Structure,
    optimizer: optax.GradientTransformation,
    *,
    task_weights: Mapping[str, float],
    losses: Mapping[str, RowLoss] | None = None,
    class_weights: Mapping[str, Any] | None = None,
    drop: Mapping[str, tuple[float, int]] | None = None,
    seed: int,
    augment: Callable[[jax.Array, jax.Array], jax.Array] = lambda key, image: image,
    mix: Callable[[jax.Array, jax.Array], tuple[jax.Array, jax.Array]] | None = None,
    accumulate: int = 1,
    ema: float = 0.0,
    remat: bool = False,
    steps_per_call: int = 1,
    skip_nonfinite: int = 0,
    teaching: Teaching | None = None,
    layout: Layout | None = None,
    frozen: Tree | None = None,
    compiler_options: dict[str, Any] | None = None,
) -> TrainStep:
    """A jitted step: (state, batch, pixels) -> (state, loss). The input state is donated.

    A batch whose loss or gradient is not finite is refused: its loss is NaN, and weights, optimiser
    state and averages do not change.

    `pixels` are None, or uint8 [N, H, W, 3] of all faces; `batch["image"]` then holds row indices.
    With `teaching`, a fourth argument has the teacher's weights.

    Args:
      graph: the model's structure.
      optimizer: turns gradients into updates.
      task_weights: each task's weight in the loss.
      losses: {task: (logits, label [B]) -> [B]}; the cross-entropy by default.
      class_weights: {task: [classes]}, factor of the loss of each row, by its class.
      drop: {task: (share, steps)}: the share of a batch's labels of the largest losses that is left
        out, and the steps over which it rises from 0. With `accumulate`, of each of its parts.
      seed: with the step, determines all randomness.
      augment: (key, uint8 [B, H, W, 3]) -> float32 [B, H, W, 3] in 0..255, of any size.
      mix: None, or (key, output of `augment`) -> the images, each mixed with the one before it, and
        float32 [B], the share of each image's own pixels: the loss is the average, with these
        shares, of the losses for its own label and for the other's. Any loss is supported; if it
        is linear in its target, as the cross-entropy is, it equals that of the mixed target.
      accumulate: number of parts in which a batch is processed, to save memory.
      ema: decay of the running average of weights; 0 keeps none.
      remat: store only the outputs of convolutions and matrix products for the backward pass, and
        recompute the rest: less memory, a little more time.
      steps_per_call: steps that one call performs, on that many stacked batches, [steps, B, ...];
        it returns one loss per step. Reduces dispatch overhead of small networks on accelerators.
      skip_nonfinite: how many consecutive refused batches are tolerated. After one more, the state
        stays unchanged, `step` included, until `refused` is lowered.
      teaching: None, or how a teacher's distributions of the same views enter the loss.
      layout: how the state is sharded over several devices.
      frozen: whether each parameter, a bool for each, is a constant: its gradient is 0, and none is
        computed through layers before which nothing is trained.
      compiler_options: for `jax.jit`.
    """

    def loss_of(
        logits: Tree, batch: Batch, counts: Tree, kept: jax.Array | None, step: jax.Array
    ) -> jax.Array:
        loss = functools.partial(
            multitask_loss,
            logits,
            weights=task_weights,
            counts=counts,
            losses=losses,
            class_weights=class_weights,
            shares=teaching.label_shares if teaching else None,
            drop={task: share_at(step, *of) for task, of in (drop or {}).items()},
        )
        if kept is None:
            return loss(batch)
        before = jax.tree.map(lambda x: jnp.roll(x, 1, axis=0), batch | {"image": ()})
        return loss(batch, part=kept) + loss(before, part=1 - kept)

    def train_step(
        state: TrainState,
        batch: Batch,
        pixels: jax.Array | None = None,
        teacher: Weights | None = None,
    ):
        def pixels_of(part: Batch) -> jax.Array:
            return part["image"] if pixels is None else pixels[part["image"]]

        key = jax.random.fold_in(jax.random.key(seed), state["step"])
        counts = {task: rows.sum() for task, rows in counted(batch).items()}
        faces = batch["mask"].astype(jnp.float32).sum() if teaching else 0.0

        def loss_fn(params: Tree, stats: Tree, part: Batch, key: jax.Array, targets: Tree):
            augment_key, model_key, mix_key = jax.random.split(key, 3)
            params = layout.gathered(params) if layout else params
            if frozen is not None:
                params = jax.tree.map(_constant_where, params, frozen)
            model = graph.merge(params, stats, model_key)
            image = augment(augment_key, pixels_of(part))
            image, kept = mix(mix_key, image) if mix else (image, None)
            logits = model(image, model_key)
            loss = loss_of(logits, part, counts, kept, state["step"])
            if teaching:
                loss += teaching.weight * distillation_loss(
                    model.heads,
                    logits,
                    targets,
                    part["mask"].astype(jnp.float32),
                    faces,
                    task_weights,
                    teaching.temperature,
                )
            probabilities = model.probabilities(jax.lax.stop_gradient(logits))
            sums = metric_sums(probabilities, part["labels"], counted(part), upto=part.get("upto"))
            return loss, (stats_of(model), {"loss": loss, "refused": jnp.int32(0), "tasks": sums})

        def one_part(carry, part_and_key):
            stats, grads, sums = carry
            # Outside of what is differentiated, or nothing of it would be dropped early.
            targets = _targets(teaching, teacher, pixels_of, *part_and_key)
            kept = jax.checkpoint(loss_fn, policy=products) if remat else loss_fn
            gradient = jax.value_and_grad(kept, has_aux=True)
            (_, (stats, part_sums)), part_grads = gradient(
                state["params"], stats, *part_and_key, targets
            )
            return (stats, _add(grads, part_grads), _add(sums, part_sums)), None

        zeros = jax.tree.map(jnp.zeros_like, (state["params"], state["window"]))
        carry = (state["stats"], *zeros)
        if accumulate == 1:
            (stats, grads, sums), _ = one_part(carry, (batch, key))
        else:
            parts = jax.tree.map(lambda x: _interleaved(x, accumulate), batch)
            keys = jax.random.split(key, accumulate)
            (stats, grads, sums), _ = jax.lax.scan(one_part, carry, (parts, keys))

        with jax.numpy_dtype_promotion("standard"):  # optax mixes dtypes of its scalars
            updates, opt = optimizer.update(grads, state["opt"], state["params"])
        params = optax.apply_updates(state["params"], updates)
        new = Weights(params=params, stats=stats)
        average = _average(state["ema"], new, ema, state["step"])
        after = TrainState(
            step=state["step"] + 1,
            opt=opt,
            ema=average,
            window=_add(state["window"], sums),
            refused=state["refused"],
            **new,
        )
        good = finite(sums["loss"], grads, stats)
        loss = jnp.where(good, sums["loss"], jnp.nan)
        after = taken(state, after, good, skip_nonfinite)
        return (layout.kept(after) if layout else after), loss

    def train_steps(
        state: TrainState,
        batches: Batch,
        pixels: jax.Array | None = None,
        teacher: Weights | None = None,
    ):
        return jax.lax.scan(lambda s, b: train_step(s, b, pixels, teacher), state, batches)

    step = train_step if steps_per_call == 1 else train_steps
    return jax.jit(step, donate_argnums=0, compiler_options=compiler_options)


def make_predict_step(
    graph: Structure, compiler_options: dict[str, Any] | None = None
) -> PredictStep:
    """A jitted (weights, image [B, H, W, 3]) -> {task: probabilities float32 [B, classes]}.

    The image is uint8, or float32 in 0..255 if it was resampled. Evaluation, prediction and export
    all use this function.
    """

    def predict_step(weights: Weights, image: jax.Array) -> dict[str, jax.Array]:
        model = graph.merge(weights["params"], weights["stats"])
        return model.probabilities(model(image))

    return jax.jit(predict_step, compiler_options=compiler_options)


def _targets(
    teaching: Teaching | None,
    teacher: Weights | None,
    pixels_of: Callable[[Batch], jax.Array],
    part: Batch,
    key: jax.Array,
) -> dict[str, jax.Array]:
    """{task: the teacher's probabilities [B, classes]} for the views that a part is trained on."""
    if teaching is None or teacher is None:
        return {}
    augment_key, _, mix_key = jax.random.split(key, 3)
    return teaching.targets(teacher, augment_key, mix_key, pixels_of(part))


@jax.jit
def copied(tree: Tree) -> Tree:
    """The same in other buffers: a step takes those of its state."""
    return jax.tree.map(jnp.copy, tree)


def _average(old: Tree, new: Tree, decay: float, step: jax.Array) -> Tree:
    """The exponential moving average; faster at first, so that it forgets the initial weights.

    Leaves that are not floats, such as a counter among a model's variables, are copied.
    """
    if not decay:
        return {}
    t = step.astype(jnp.float32)
    d = jnp.minimum(decay, (1 + t) / (10 + t))

    def moved(a: jax.Array, b: jax.Array) -> jax.Array:
        return a * d + b * (1 - d) if jnp.issubdtype(b.dtype, jnp.floating) else b

    return jax.tree.map(moved, old, new)


def _constant_where(x: jax.Array, frozen: bool) -> jax.Array:
    return jax.lax.stop_gradient(x) if frozen else x


def _interleaved(x: jax.Array, parts: int) -> jax.Array:
    """[B, ...] -> [parts, B / parts, ...], each device keeping its own rows."""
    return x.reshape(-1, parts, *x.shape[1:]).swapaxes(0, 1)


def _add(a: Tree, b: Tree) -> Tree:
    return jax.tree.map(jnp.add, a, b)
