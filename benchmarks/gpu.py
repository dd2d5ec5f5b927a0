"""Training on one GPU in bfloat16, compared with `torch.compile` of the same networks.

    bash benchmarks/gpu.sh [--rounds 5] [networks ...]

Prints images per second, the fraction of the measured peak of a matrix product, and the ratio to
torch, which uses channels_last, bfloat16 autocast, a fused Adam and its compiler; it is omitted if
it is not installed. Then prints how long the tutorial's 200,000 steps of batch 16 would take.
`--smoke` runs tiny shapes once, on any device.
"""

import argparse
import importlib.util
import statistics
import subprocess
import sys

from networks import NETWORKS
from turns import Peer, ratio, take_turns, versions

NAMES = ("tutorial_cnn", "small_cnn", "resnet50", "vgg16", "vit_s16")


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=40, help="per peer and round")
    parser.add_argument("--smoke", action="store_true", help="tiny shapes, one round, any device")
    parser.add_argument("networks", nargs="*", default=NAMES, help=", ".join(NAMES))
    args = parser.parse_args()
    rounds, n, dtype = (1, 1, "float32") if args.smoke else (args.rounds, args.steps, "bfloat16")
    with_torch = importlib.util.find_spec("torch") is not None
    print(versions("jax", "flax", "torch", "torchvision", "timm"))
    print("network       size batch  img/s agejax, torch   TFLOP/s   of peak   torch / agejax")
    for name in args.networks:
        size, batch_size = (32, 2) if args.smoke else NETWORKS[name].gpu
        shape = (name, str(size), str(batch_size))
        peers = [Peer("steps_agejax.py", *shape, "--dtype", dtype)]
        peers += [Peer("steps_torch.py", *shape)] if with_torch else []
        ours, *theirs = take_turns(peers, warm_up=2 * n, n=n, rounds=rounds)
        rates = [n * batch_size / statistics.median(times) for times in (ours, *theirs)]
        flops, peak = cost(*shape, dtype)
        used = flops * rates[0] / batch_size
        print(
            f"{name:13} {size:4} {batch_size:5} ",
            *(f"{rate:9,.0f}" for rate in rates),
            f"  {used / 1e12:7.2f}   {used / peak:7.1%}  ",
            ratio(theirs[0], ours) if theirs else "torch is not installed",
            flush=True,
        )
    if "tutorial_cnn" in args.networks:
        tutorial(rounds, args.smoke, dtype)


def tutorial(rounds, smoke, dtype):
    """The duration of the tutorial's training, with 20 steps per call."""
    k, size = (2, 32) if smoke else (20, 224)
    command = ("tutorial_cnn", str(size), "16", "--dtype", dtype, "--steps-per-call", str(k))
    (times,) = take_turns([Peer("steps_agejax.py", *command)], warm_up=k, n=10 * k, rounds=rounds)
    minutes = statistics.median(times) / (10 * k) * 200_000 / 60
    print(f"tutorial_cnn, {size} px: 200,000 steps of batch 16 would take {minutes:.1f} minutes")


def cost(name, size, batch_size, dtype):
    """FLOPs of a step and FLOP/s of a matrix product, in a child process to keep the GPU free."""
    code = (
        "from agejax.experiments.describe import cost, peak; from steps_agejax import prepare; "
        f"step, *args = prepare({name!r}, {size}, {batch_size}, {dtype!r}); "
        f"print(cost(step, *args, None)['flops'], peak({dtype!r}))"
    )
    out = subprocess.check_output([sys.executable, "-c", code], cwd=Peer.folder, env=Peer.env())
    return map(float, out.split())


if __name__ == "__main__":
    main()
