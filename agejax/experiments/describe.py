"""Describes the cost of a model: weights, FLOPs, and utilisation of the machine."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from ml_collections import ConfigDict

from agejax.config import network, validation
from agejax.distributed.mesh import make_mesh, put_batch, replicated
from agejax.kernels.cpu import keep_freed_memory
from agejax.steps.model_factory import abstract_model, make_model
from agejax.steps.step import TrainStep, init_state, make_predict_step
from agejax.steps.step_factory import train_step_of
from agejax.types import Batch, TrainState


def describe(config: ConfigDict, *, measure: bool = True) -> Iterator[str]:
    """Yields lines about the model and the train step of a config.

    FLOPs are counted by XLA before optimisation, two for each multiply-add, so they do not depend
    on how a platform implements convolutions.

    Args:
      config: see `agejax.config.default`.
      measure: also time training steps and a matrix product on this machine.

    Raises:
      UserError: a setting is invalid.
    """
    validation.check(config)
    if measure and config.train.keep_memory:
        keep_freed_memory()
    size, batch_size = config.data.size, config.train.batch_size
    total, forward = size_of(config)
    _, weights = abstract_model(config)
    parts = {name: _count(tree) for name, tree in weights["params"].items() if _count(tree)}
    yield (
        f"{network(config)}, {size} px, {config.model.dtype}: {total:,} weights ("
        + ", ".join(f"{name} {count:,}" for name, count in parts.items())
        + f"), {total * 4 / 2**20:.1f} MiB"
    )
    yield f"prediction of a face: {forward / 1e9:.3f} GFLOP"
    if config.model.members:  # an ensemble is not trained
        return

    train_step, state, batch = _train_step(config)
    whole = cost(train_step, state, batch, None)
    flops, moved = whole["flops"], whole["bytes accessed"]
    alone = ", without its teacher's prediction" if config.distil.teacher else ""
    yield (
        f"a training step of {batch_size} faces{alone}: {flops / 1e9:.2f} GFLOP, "
        f"{moved / 1e9:.2f} GB accessed without fusion, {flops / moved:.1f} FLOP per byte"
    )
    if measure:
        yield from _measured(config, train_step, flops)


def size_of(config: ConfigDict) -> tuple[int, float]:
    """The number of a model's weights, and the FLOPs of predicting one face; see `describe`."""
    graph, weights = abstract_model(config)
    one = jax.ShapeDtypeStruct((1, config.data.size, config.data.size, 3), jnp.uint8)
    return _count(weights["params"]), cost(make_predict_step(graph), weights, one)["flops"]


def _measured(config: ConfigDict, train_step: TrainStep, flops: float) -> Iterator[str]:
    mesh, batch_size = make_mesh(), config.train.batch_size
    devices = f"{mesh.size} x {jax.devices()[0].device_kind}"
    most = peak(config.model.dtype) * mesh.size
    yield f"{devices}: {most / 1e9:,.0f} GFLOP/s in a {config.model.dtype} matrix product, measured"
    _, state, batch = _train_step(config, shapes=False)
    state, batch = jax.device_put(state, replicated(mesh)), put_batch(mesh, batch)

    def step() -> Any:
        nonlocal state
        state, loss = train_step(state, batch, None)
        return loss

    seconds = _seconds(step, warm_up=5)
    yield (
        f"a training step takes {seconds * 1e3:,.0f} ms: {batch_size / seconds:,.0f} faces/s, "
        f"{flops / seconds / 1e9:,.0f} GFLOP/s, {flops / seconds / most:.0%} of that"
    )


def _train_step(config: ConfigDict, shapes: bool = True) -> tuple[TrainStep, TrainState, Batch]:
    """The config's train step, one step per call, with a state and a batch, or their shapes."""
    graph, weights = abstract_model(config) if shapes else make_model(config)
    config = config.copy_and_resolve_references()
    config.train.steps_per_call = 1
    optimizer, train_step = train_step_of(config, graph)
    n, size = config.train.batch_size, config.data.size
    make: Callable[..., TrainState] = lambda w: init_state(
        graph, w, optimizer, config.train.ema > 0
    )
    state = jax.eval_shape(make, weights) if shapes else make(weights)
    batch = Batch(
        image=np.full((n, size, size, 3), 127, np.uint8),
        labels={task: np.zeros(n, np.int32) for task in config.tasks},
        known={task: np.ones(n, bool) for task in config.tasks},
        mask=np.ones(n, bool),
    )
    return train_step, state, batch


def _count(tree: Any) -> int:
    return sum(x.size for x in jax.tree.leaves(tree))


def cost(function: Any, *args: Any) -> dict[str, float]:
    """XLA's count of "flops" and "bytes accessed" of a jitted function before optimisation."""
    # Lowered for TPU: the CPU's implementations of convolution would add operations.
    return function.trace(*args).lower(lowering_platforms=("tpu",)).cost_analysis()


def peak(dtype: str, n: int = 4096) -> float:
    """FLOP/s of one device in the product of two [n, n] matrices."""
    n = 2048 if jax.default_backend() == "cpu" else n
    x = jnp.ones((n, n), dtype)
    product = jax.jit(lambda x: x @ x)
    return 2 * n**3 / _seconds(lambda: product(x), warm_up=2)


def _seconds(call: Callable[[], jax.Array], warm_up: int, times: int = 10) -> float:
    """The median time of a call."""
    seconds = []
    for _ in range(warm_up + times):
        start = time.perf_counter()
        call().block_until_ready()
        seconds.append(time.perf_counter() - start)
    return float(np.median(seconds[warm_up:]))
