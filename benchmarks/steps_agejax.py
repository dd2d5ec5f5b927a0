"""agejax's side of `steps.py` and `gpu.py`."""

import argparse

import jax
import numpy as np
from networks import NETWORKS, faces
from turns import serve

from agejax import config as configs
from agejax.runtime.cpu import compiler_options, keep_freed_memory
from agejax.runtime.model import make_model
from agejax.train.optim import constant, make_optimizer
from agejax.train.step import init_state, make_train_step


def prepare(name, size, batch_size, dtype="float32", steps_per_call=1):
    """The train step of a network, its first state, and a batch of random pixels."""
    network = NETWORKS[name]
    config = configs.default()
    config.data.size = size
    config.optim.schedule = constant
    config.model.update(trunk=network.load(), head_width=network.head_width, dtype=dtype)
    with config.unlocked():
        config.model.args.update(network.args)
    keep_freed_memory()
    graph, weights = make_model(config)
    optimizer = make_optimizer(steps=1000, **config.optim)
    state = init_state(graph, weights, optimizer, ema=False)
    train_step = make_train_step(
        graph,
        optimizer,
        task_weights={"age": 1.0, "gender": 1.0},
        seed=0,
        steps_per_call=steps_per_call,
        compiler_options=compiler_options(),
    )
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
        batch = jax.device_put(batch)  # as torch's is

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
