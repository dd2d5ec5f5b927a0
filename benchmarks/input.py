"""Decoded faces per second, compared with plain simplejpeg, torch, tf.data and Grain.

    python benchmarks/input.py --manual_dir DIR [--size 224] [--rounds 5] [peers ...]

All decode the same JPEGs of the IMDB training split, shuffled, to batches of 64, with the same
filter, on 2 threads or processes. The peers in `input_peers.py` have them in memory; agejax reads
them from its array_record files in the first epoch and caches them for the timed epochs. The
allocator keeps freed memory on all sides. Above 1, agejax is faster.
"""

import argparse
import os
import statistics

from turns import KEEP_MEMORY, Peer, ratio, take_turns, versions

PEERS = ("simplejpeg", "torch", "tf.data", "grain")


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--manual_dir", required=True, help="folder of the archives")
    parser.add_argument("--data_dir", default="", help="folder of the built data sets")
    parser.add_argument("--size", type=int, default=224, help="pixels per side")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--batches", type=int, default=40, help="per peer and round")
    parser.add_argument("peers", nargs="*", default=PEERS, help=", ".join(PEERS))
    args = parser.parse_args()
    libraries = ("simplejpeg", "opencv-python-headless", "torch", "tensorflow-cpu", "tensorflow")
    print(
        versions("grain", *libraries),
        f"{os.cpu_count()} cores, {args.rounds} rounds of {args.batches} batches",
        sep="; ",
    )
    print(f"{args.size} px     agejax / peer           median faces a second: peer, agejax")
    for name in args.peers:
        common = (args.manual_dir, args.data_dir, str(args.size))
        sides = ("agejax", name)
        peers = [Peer("input_peers.py", side, *common, env=KEEP_MEMORY) for side in sides]
        ours, theirs = take_turns(peers, warm_up=20, n=args.batches, rounds=args.rounds)
        rates = [args.batches * 64 / statistics.median(times) for times in (theirs, ours)]
        print(f"{name:10} {ratio(theirs, ours):21}", *(f"{rate:8,.0f}" for rate in rates))


if __name__ == "__main__":
    main()
