"""agejax's side of `steps.py` and `gpu/`."""

import argparse

import jax
import numpy as np
from networks import NETWORKS, faces
from turns import serve

from agejax import config as configs
from agejax.kernels.cpu import keep_freed_memory
from agejax.optim import constant
from agejax.steps.model_factory import make_model
from agejax.steps.step import init_state
from agejax.steps.step_factory import train_step_of


def settings(name, size, dtype="float32", steps_per_call=1):
    """The config of a network's train step."""
    network = NETWORKS[name]
    config = configs.default()
    config.data.size = size
    config.optim.schedule = constant
    config.model.update(trunk=network.load(), head_width=network.head_width, dtype=dtype)
    with config.unlocked():
        config.model.args.update(network.args)
    config.augment.flip = False
    config.train.steps_per_call = steps_per_call
    return config


def prepare(name, size, batch_size, dtype="float32", steps_per_call=1):
    """The train step of a network, its initial state, and a batch of random pixels."""
    config = settings(name, size, dtype, steps_per_call)
    keep_freed_memory()
    graph, weights = make_model(config)
    optimizer, train_step = train_step_of(config, graph)
    state = init_state(graph, weights, optimizer, ema=False)
    image, labels = faces(size, batch_size)
    mask = np.ones(len(image), bool)
    batch = {"image": image, "labels": labels, "known": dict.fromkeys(labels, mask), "mask": mask}
    if steps_per_call > 1:
        batch = jax.tree.map(lambda x: np.stack([x] * steps_per_call), batch)
    return train_step, state, batch


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("network")
    parser.add_argument("size", type=int)
    parser.add_argument("batch_size", type=int)
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--steps-per-call", type=int, default=1)
    args = parser.parse_args()
    k = args.steps_per_call
    train_step, state, batch = prepare(args.network, args.size, args.batch_size, args.dtype, k)
    if jax.default_backend() != "cpu":
        batch = jax.device_put(batch)  # as in torch

    def steps(n):
        nonlocal state
        for _ in range(n // k):
            state, loss = train_step(state, batch, None)
            if jax.default_backend() == "cpu":
                loss.block_until_ready()
        loss.block_until_ready()

    serve(steps)


if __name__ == "__main__":
    main()
