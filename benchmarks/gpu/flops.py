"""Prints {network: FLOPs of training on one image}, for `speed.py`. Computes nothing else."""

import json
import sys

import jax
from networks import NETWORKS, faces
from speed import shape_of
from steps_agejax import settings

from agejax.experiments.describe import cost
from agejax.steps.model_factory import abstract_model
from agejax.steps.step import init_state
from agejax.steps.step_factory import train_step_of


def flops(name):
    size, batch_size = shape_of(name)
    config = settings(name, size, "bfloat16")
    graph, weights = abstract_model(config)
    optimizer, train_step = train_step_of(config, graph)
    state = jax.eval_shape(lambda w: init_state(graph, w, optimizer, ema=False), weights)
    image, labels = faces(size, batch_size)
    mask = jax.ShapeDtypeStruct((batch_size,), bool)
    batch = {"image": image, "labels": labels, "known": dict.fromkeys(labels, mask), "mask": mask}
    return cost(train_step, state, batch, None)["flops"] / batch_size


if __name__ == "__main__":
    print(json.dumps({name: flops(name) for name in sys.argv[1:] if name in NETWORKS}))
