"""Optimiser and learning-rate schedules."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import optax

from agejax.types import Tree


def constant(learning_rate: float, steps: int) -> optax.Schedule:
    """A constant rate, as in the tutorial."""
    del steps
    return optax.constant_schedule(learning_rate)


def cosine(learning_rate: float, steps: int) -> optax.Schedule:
    """Half a cosine down to zero at `steps` (Loshchilov and Hutter, SGDR, ICLR 2017)."""
    return optax.cosine_decay_schedule(learning_rate, max(steps, 1))


def make_optimizer(
    *,
    steps: int,
    learning_rate: float,
    schedule: Callable[[float, int], optax.Schedule] = constant,
    warmup_steps: int = 0,
    weight_decay: float = 0.0,
    clip_norm: float = 0.0,
    trunk_rate: float = 1.0,
    layer_decay: float = 1.0,
    by_depth: Sequence[Sequence[str]] = (),
    frozen_steps: int = 0,
    frozen_stages: int = 0,
    b1: float = 0.9,
    b2: float = 0.999,
    eps: float = 1e-8,
) -> optax.GradientTransformation:
    """Adam (Kingma and Ba, ICLR 2015), with decoupled weight decay where it is not 0 (AdamW).

    Args:
      steps: optimiser steps of the whole run, for the schedule.
      learning_rate: the highest rate.
      schedule: (learning_rate, steps after warm-up) -> a schedule.
      warmup_steps: steps over which the rate rises linearly from 0.
      weight_decay: applies to matrices and kernels only, not to biases and norms.
      clip_norm: the largest global norm of a gradient; 0 for no limit.
      trunk_rate: the trunk's learning rate, as a share of the heads'; 0 trains the heads alone.
      layer_decay: the factor between the rate of each stage of the trunk and that of the next; the
        last stage learns at this factor times the heads' rate (all further times `trunk_rate`).
        The first layers of a published network suit any task (ULMFiT: Howard and Ruder, ACL 2018;
        for images Bao et al., BEiT, ICLR 2022, who took 0.65 to 0.75 for each of 12 or 24 blocks).
      by_depth: the names of the trunk's parts, stage by stage, as its `by_depth()` gives them; used
        by `layer_decay` and `frozen_stages` only.
      frozen_steps: steps before the trunk starts to learn, so that untrained heads do not spoil it.
      frozen_stages: the number of the trunk's first stages that are never trained; they have no
        state here, and their gradients are ignored.
      b1: decay of the first moment.
      b2: decay of the second moment.
      eps: added to the square root of the second moment.
    """
    rate = schedule(learning_rate, steps - warmup_steps)
    if warmup_steps:
        warmup = optax.linear_schedule(0.0, learning_rate, warmup_steps)
        rate = optax.join_schedules([warmup, rate], [warmup_steps])
    clip = optax.clip_by_global_norm(clip_norm) if clip_norm else optax.identity()
    adam = optax.adamw(rate, b1, b2, eps, weight_decay=weight_decay, mask=_kernels)
    steps_of: list[optax.GradientTransformation] = [clip, adam]
    if trunk_rate != 1.0 or frozen_steps:
        share = optax.join_schedules(
            [optax.constant_schedule(0.0), optax.constant_schedule(trunk_rate)], [frozen_steps]
        )
        steps_of.append(optax.masked(optax.scale_by_schedule(share), _trunk))
    if layer_decay != 1.0:
        steps_of.append(_scale_by_depth(layer_decay, by_depth))
    if not frozen_stages:
        return optax.chain(*steps_of)
    frozen = lambda params: frozen_by_depth(params, frozen_stages, by_depth)
    return optax.partition({False: optax.chain(*steps_of), True: optax.set_to_zero()}, frozen)


def shares_by_depth(params: Tree, decay: float, by_depth: Sequence[Sequence[str]]) -> Tree:
    """The factor of the learning rate for each array of a model, by its depth in the trunk.

    Args:
      params: the model's parameters, a pure dict.
      decay: the factor from each stage to the one before it.
      by_depth: the names of the trunk's parts, stage by stage; arrays outside the trunk get 1.

    Raises:
      ValueError: an array of the trunk is in no stage, or in several.
    """

    def share(path: tuple, _: Any) -> float:
        return decay ** (len(by_depth) - _stage(path, by_depth))

    return jax.tree_util.tree_map_with_path(share, params)


def frozen_by_depth(params: Tree, stages: int, by_depth: Sequence[Sequence[str]]) -> Tree:
    """Whether each array of a model is in one of the trunk's first `stages`.

    Takes what `shares_by_depth` takes, and raises what it raises.
    """
    of = jax.tree_util.tree_map_with_path(lambda path, _: _stage(path, by_depth), params)
    return jax.tree.map(lambda stage: stage < stages, of)


def _stage(path: tuple, by_depth: Sequence[Sequence[str]]) -> int:
    """The stage of an array; outside the trunk, one after the last."""
    first, *rest = (str(key.key) for key in path)
    if first != "trunk":
        return len(by_depth)
    name = ".".join(rest)
    places = [
        i for i, parts in enumerate(by_depth) for p in parts if f"{name}.".startswith(f"{p}.")
    ]
    if len(places) != 1:
        raise ValueError(f"by_depth() has {name} {len(places)} times, not once")
    return places[0]


def _scale_by_depth(
    decay: float, by_depth: Sequence[Sequence[str]]
) -> optax.GradientTransformation:
    def scaled(updates: Tree, params: Tree) -> Tree:
        del params
        return jax.tree.map(jnp.multiply, updates, shares_by_depth(updates, decay, by_depth))

    return optax.stateless(scaled)


def _trunk(params: Tree) -> Tree:
    return jax.tree_util.tree_map_with_path(lambda path, _: path[0].key == "trunk", params)


def _kernels(params: Tree) -> Tree:
    return jax.tree.map(lambda p: p.ndim > 1, params)
