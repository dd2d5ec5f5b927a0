"""agejax's side of `steps.py`."""

import importlib
import sys

import numpy as np
from networks import NETWORKS, faces
from turns import serve

from agejax import config as configs
from agejax.runtime.cpu import compiler_options, keep_freed_memory
from agejax.runtime.model import make_model
from agejax.train.optim import constant, make_optimizer
from agejax.train.step import init_state, make_train_step


def prepare(name):
    """The train step of a network, its first state, and a batch of random pixels."""
    config = configs.default()
    trunk, args, head_width, size, _, _ = NETWORKS[name]
    module, _, attribute = trunk.partition(":")
    config.data.size = size
    config.optim.schedule = constant
    trunk = getattr(importlib.import_module(module), attribute)
    config.model.update(trunk=trunk, head_width=head_width)
    with config.unlocked():
        config.model.args.update(args)
    keep_freed_memory()
    graph, weights = make_model(config)
    optimizer = make_optimizer(steps=1000, **config.optim)
    state = init_state(graph, weights, optimizer, ema=False)
    train_step = make_train_step(
        graph,
        optimizer,
        task_weights={"age": 1.0, "gender": 1.0},
        seed=0,
        compiler_options=compiler_options(),
    )
    image, labels = faces(name)
    mask = np.ones(len(image), bool)
    batch = {"image": image, "labels": labels, "known": dict.fromkeys(labels, mask), "mask": mask}

    return train_step, state, batch


def main(name):
    train_step, state, batch = prepare(name)

    def steps(n):
        nonlocal state
        for _ in range(n):
            state, loss = train_step(state, batch, None)
            loss.block_until_ready()

    serve(steps)


if __name__ == "__main__":
    main(sys.argv[1])
