"""Duration of training steps, compared with torch and with Keras on TensorFlow.

    python benchmarks/steps.py [--rounds 5] [--steps 3] [small_cnn resnet18 ...]

All use the same networks, batches of uint8 pixels on the host, and Adam; torch uses channels_last.
glibc's allocator is configured to keep freed memory for both peers, as agejax does itself
(`--plain-malloc` disables this for the peers). Above 1, agejax is faster.
"""

import argparse
import os
import statistics

from networks import NETWORKS
from turns import KEEP_MEMORY, Peer, ratio, take_turns, versions

NAMES = ("tutorial_cnn", "small_cnn", "resnet18", "efficientnet_lite0")


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=3, help="per peer and round")
    parser.add_argument(
        "--plain-malloc", action="store_true", help="default allocator for the peers"
    )
    parser.add_argument("networks", nargs="*", default=NAMES, help=", ".join(NETWORKS))
    args = parser.parse_args()
    env = {} if args.plain_malloc else KEEP_MEMORY
    print(
        versions("jax", "torch", "tensorflow-cpu", "tensorflow", "keras"),
        f"{os.cpu_count()} cores, {args.rounds} rounds of {args.steps} steps",
        sep="; ",
    )
    print("network              size batch  peer   peer / agejax         median ms: peer, agejax")
    for name in args.networks:
        size, batch_size = NETWORKS[name].cpu
        shape = (name, str(size), str(batch_size))
        theirs = ["torch", "keras"] if name == "tutorial_cnn" else ["torch"]
        peers = [Peer("steps_agejax.py", *shape)]
        peers += [Peer(f"steps_{peer}.py", *shape, env=env) for peer in theirs]
        # The warm-up compiles and grows the heap to its final size.
        ours, *others = take_turns(peers, warm_up=10, n=args.steps, rounds=args.rounds)
        for peer, times in zip(theirs, others, strict=True):
            ms = [f"{statistics.median(t) / args.steps * 1e3:7.0f}" for t in (times, ours)]
            print(f"{name:20} {size:4} {batch_size:5}  {peer:6} {ratio(times, ours):21}", *ms)


if __name__ == "__main__":
    main()
