"""A small network on frozen features, fitted to labels of which some are wrong.

The likelihood of a label is that of the network or, with a probability that is fitted as well, that
of a wrong label. Labels far from what the network expects therefore hardly move it: the forward
correction of Patrini et al. (CVPR 2017), for one rate of noise.
"""

import functools
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from agejax.auditing.labels import Labels
from agejax.labels import AGES
from agejax.models.heads import cubic_splines
from agejax.utils.notes import bar

_KNOTS = (0, 10, 30, 60, 100)  # of the log-density of ages: few, or a wrong label gets its own hump
_WIDTH, _DROPOUT = 128, 0.5
_BATCH, _EPOCHS, _FEWEST_STEPS = 256, 10, 200
_RATE, _DECAY = 2e-3, 1e-2
_RANDOM = "rbg"  # dropout with the default generator takes longer than the products


def out_of_fold(
    inputs: np.ndarray, labels: Mapping[str, Labels], fold: np.ndarray, seed: int = 0
) -> dict[str, np.ndarray]:
    """Predicts each face by a network that has seen no face of its fold.

    Args:
      inputs: float [N, F], standardised.
      labels: {task: the labels}; unknown ones are not learned from.
      fold: int [N]; there must be at least two.
      seed: of the initial weights and of the order.

    Returns:
      {task: float64 [N, classes]}, each row sums to one; not calibrated.
    """
    rows = {
        task: {"first": of.first, "last": of.last, "prior": np.log(of.common)[None],
               "wrong": np.log(np.maximum(_wrong(of), 1e-9))}
        for task, of in labels.items()
    }  # fmt: skip
    rows = jax.tree.map(lambda x: jnp.asarray(x, jnp.int32 if x.dtype.kind == "i" else None), rows)
    found = {task: np.zeros((len(fold), len(of.common))) for task, of in labels.items()}
    given = jnp.asarray(inputs, jnp.float32)
    names = sorted(set(fold.tolist()))
    for name in bar(names, desc="predicting folds", unit="fold", leave=False):
        here = fold == name
        counts = {t: jnp.asarray(of.known & ~here, jnp.float32) for t, of in labels.items()}
        if not any(of.any() for of in counts.values()):  # nothing to learn from: as is common
            for task, of in labels.items():
                found[task][here] = of.common
            continue
        p = jax.device_get(_fitted(given, rows, counts, jax.random.key(seed, impl=_RANDOM)))
        for task, of in p.items():
            found[task][here] = of[here]
    return {task: p / p.sum(1, keepdims=True) for task, p in found.items()}


@jax.jit
def _fitted(x: jax.Array, rows: Any, counts: Any, key: jax.Array) -> dict[str, jax.Array]:
    """{task: [N, classes]}: fitted to the rows that count, and predicted for all."""
    n = len(x)
    batch = min(_BATCH, n)
    each = n // batch
    epochs = max(_EPOCHS, -(-_FEWEST_STEPS // each))
    rate = optax.warmup_cosine_decay_schedule(0, _RATE, epochs * each // 20, epochs * each)
    optimizer = optax.adamw(rate, weight_decay=_DECAY)
    params = _initial(key, x.shape[1], {task: of["prior"].shape[1] for task, of in rows.items()})

    def step(state, chosen):
        params, memory = state
        at, key = chosen
        part = {t: {k: v if k == "prior" else v[at] for k, v in of.items()}
                for t, of in rows.items()}  # fmt: skip
        weights = {task: of[at] for task, of in counts.items()}
        grads = jax.grad(_loss)(params, x[at], part, weights, key)
        with jax.numpy_dtype_promotion("standard"):  # optax mixes dtypes of its scalars
            updates, memory = optimizer.update(grads, memory, params)
        return (optax.apply_updates(params, updates), memory), None

    def epoch(state, key):
        order = jax.random.permutation(key, n)[: each * batch].reshape(each, batch)
        keys = jax.random.split(jax.random.fold_in(key, 1), each)
        return jax.lax.scan(step, state, (order, keys))

    keys = jax.random.split(jax.random.fold_in(key, 1), epochs)
    (params, _), _ = jax.lax.scan(epoch, (params, optimizer.init(params)), keys)
    logits = _logits(params, x, {task: of["prior"] for task, of in rows.items()}, None)
    return {task: jax.nn.softmax(z) for task, z in logits.items()}


def _initial(key: jax.Array, width: int, classes: Mapping[str, int]) -> dict[str, Any]:
    outputs = {task: len(_basis(n)) for task, n in classes.items()}
    return {
        "hidden": jax.random.normal(key, (width, _WIDTH)) / np.sqrt(width),
        "bias": jnp.zeros(_WIDTH),
        "out": {task: jnp.zeros((_WIDTH, n)) for task, n in outputs.items()},
        "direct": {task: jnp.zeros((width, n)) for task, n in outputs.items()},
        "offset": {task: jnp.zeros(n) for task, n in outputs.items()},
        "noise": {task: jnp.float32(-2) for task in outputs},  # a logit
    }


def _logits(params: Any, x: jax.Array, prior: Any, key: jax.Array | None) -> dict[str, jax.Array]:
    hidden = jax.nn.gelu(x @ params["hidden"] + params["bias"][None])
    if key is not None:
        kept = jax.random.bernoulli(key, 1 - _DROPOUT, hidden.shape)
        hidden = jnp.where(kept, hidden / (1 - _DROPOUT), 0)
    found = {}
    for task, out in params["out"].items():
        z = hidden @ out + x @ params["direct"][task] + params["offset"][task][None]
        found[task] = z @ _basis(prior[task].shape[1]) + prior[task]
    return found


def _loss(params: Any, x: jax.Array, rows: Any, weights: Any, key: jax.Array) -> jax.Array:
    total = jnp.float32(0)
    logits = _logits(params, x, {task: of["prior"] for task, of in rows.items()}, key)
    for task, of in rows.items():
        z, k = logits[task], jnp.arange(logits[task].shape[1])[None]
        inside = (k >= of["first"][:, None]) & (k <= of["last"][:, None])
        own = jax.nn.logsumexp(jnp.where(inside, z, -jnp.inf), axis=1) - jax.nn.logsumexp(z, axis=1)
        noise = params["noise"][task]
        right, wrong = jax.nn.log_sigmoid(-noise) + own, jax.nn.log_sigmoid(noise) + of["wrong"]
        total += -(weights[task] * jnp.logaddexp(right, wrong)).mean()
    return total


@functools.cache
def _basis(classes: int) -> np.ndarray:
    """float32 [outputs, classes]: what the outputs of the network are the coefficients of."""
    return cubic_splines(_KNOTS, classes) if classes == AGES else np.eye(classes, dtype=np.float32)


def _wrong(of: Labels) -> np.ndarray:
    """float32 [N]: the probability of each label as a wrong one."""
    below = np.concatenate([[0.0], np.cumsum(of.wrong)])
    return (below[of.last + 1] - below[of.first]).astype(np.float32)
