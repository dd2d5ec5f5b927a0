"""Training steps a second, beside torch, in one table: see `--help`, and the README.

Both run in this process, turn by turn, with the same networks, batches and Adam; torch with
channels_last, and both with the allocator that keeps freed memory (without it torch is slower).
A ratio above 1 means that agejax is faster.
"""

import argparse
import platform
import statistics
import time

import jax
import numpy as np
import torch
import torch_nets

from agejax import config as configs
from agejax.models.cnn import SmallCNN, TutorialCNN
from agejax.models.efficientnet_lite import EfficientNetLite0
from agejax.models.resnet import ResNet18
from agejax.runtime.cpu import compiler_options, keep_freed_memory
from agejax.runtime.model import make_model
from agejax.train.optim import constant, make_optimizer
from agejax.train.step import init_state, make_train_step

# trunk, its arguments, width before the heads, pixels a side, batch
WORK = {
    "tutorial_cnn": (TutorialCNN, {}, 1024, 224, 32),
    "small_cnn": (SmallCNN, {"depths": (1, 2, 2, 2)}, 0, 128, 64),
    "resnet18": (ResNet18, {}, 0, 112, 32),
    "efficientnet_lite0": (EfficientNetLite0, {}, 0, 112, 32),
}


def ours(name, image, labels):
    config = configs.default()
    trunk, args, head_width, config.data.size, batch_size = WORK[name]
    config.model.update(trunk=trunk, head_width=head_width)
    with config.unlocked():
        config.model.args.update(args)
    graph, weights = make_model(config)
    config.optim.schedule = constant
    optimizer = make_optimizer(steps=1000, **config.optim)
    state = init_state(graph, weights, optimizer, ema=False)
    weigh = {"age": 1.0, "gender": 1.0}
    options = compiler_options()
    train_step = make_train_step(
        graph, optimizer, task_weights=weigh, seed=0, compiler_options=options
    )
    mask = np.ones(batch_size, bool)
    known = dict.fromkeys(labels, mask)
    batch = {"image": image, "labels": labels, "known": known, "mask": mask}

    def step():
        nonlocal state
        state, loss = train_step(state, batch)
        return float(loss)

    return step


def theirs(name, image, labels):
    net = getattr(torch_nets, name)(image.shape[1]).to(memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(net.parameters(), 1e-3)
    x = torch.from_numpy(image).permute(0, 3, 1, 2)  # the memory stays channels_last
    y = [torch.from_numpy(labels[task]).long() for task in ("age", "gender")]

    def step():
        optimizer.zero_grad(set_to_none=True)
        losses = map(torch.nn.functional.cross_entropy, net(x.float() / 127.5 - 1), y)
        loss = sum(losses) / 2
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def seconds(step, times):
    start = time.perf_counter()
    for _ in range(times):
        step()
    return (time.perf_counter() - start) / times


def compare(name, rounds, steps):
    """One line: the median ratio of torch's time to ours, and its range over the rounds."""
    *_, size, batch_size = WORK[name]
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (batch_size, size, size, 3), np.uint8)
    labels = {
        "age": rng.integers(0, 101, batch_size, np.int32),
        "gender": rng.integers(0, 2, batch_size, np.int32),
    }
    pair = [ours(name, image, labels), theirs(name, image, labels)]
    for step in pair:
        seconds(step, 3)  # compiles, and lets the heap grow
    times = [[seconds(step, steps) for step in pair] for _ in range(rounds)]
    ratios = [b / a for a, b in times]
    print(
        f"{name:20} {size:4} {batch_size:4}   {statistics.median(ratios):.2f}"
        f" ({min(ratios):.2f} to {max(ratios):.2f})"
        f"   {min(a for a, _ in times) * 1e3:7.0f} {min(b for _, b in times) * 1e3:7.0f}",
        flush=True,
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=3, help="of each in a round")
    parser.add_argument("networks", nargs="*", default=list(WORK), help=", ".join(WORK))
    args = parser.parse_args()
    keep_freed_memory()
    print(
        f"jax {jax.__version__}, torch {torch.__version__}, {torch.get_num_threads()} threads, "
        f"Python {platform.python_version()}, {args.rounds} rounds of {args.steps} steps"
    )
    print("network              size batch  torch / agejax       best ms: agejax, torch")
    for name in args.networks:
        compare(name, args.rounds, args.steps)


if __name__ == "__main__":
    main()
