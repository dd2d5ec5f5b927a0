"""The cost of input: training speed on real faces, compared with repeating a single batch.

    python benchmarks/real.py --manual_dir DIR [--epoch 20] [small_cnn resnet18 ...]

An epoch is `--epoch` batches of the IMDB training split, short enough to measure both the first
epoch, which decodes, and later ones, whose pixels are cached. Both kinds of steps alternate in
groups of five. A ratio of 1 means that input costs nothing.
"""

import argparse
import statistics
import time

import jax
import numpy as np
from networks import NETWORKS
from steps_agejax import prepare
from turns import ratio

from agejax.data.imdb_wiki import imdb_wiki
from agejax.data.stream import Loader
from agejax.distributed.mesh import make_mesh, replicated
from agejax.training.prefetch import feed

BLOCK = 5
NAMES = ("tutorial_cnn", "small_cnn", "resnet18", "efficientnet_lite0")


def compare(name, faces, epoch):
    mesh = make_mesh()
    size, n = NETWORKS[name].cpu
    train_step, state, same = prepare(name, size, n)
    state = jax.device_put(state, replicated(mesh))
    some = faces.where(np.arange(len(faces)) < epoch * n)
    loader = Loader(some, size=size, workers=2, cache_mib=4096)
    batches = feed(mesh, loader, steps_per_call=1, seed=0, batch_size=n, start=0)
    waited = 0.0

    def again():
        return same

    def real():
        nonlocal waited
        start = time.perf_counter()
        batch = next(batches)
        waited += time.perf_counter() - start
        return batch

    def seconds(source):
        nonlocal state
        start = time.perf_counter()
        for _ in range(BLOCK):
            state, loss = train_step(state, source(), None)
            loss.block_until_ready()
        return time.perf_counter() - start

    for _ in range(2):
        seconds(again)
    lines = []
    for blocks in (epoch // BLOCK, 2 * (epoch // BLOCK)):
        waited = 0.0
        times = [(seconds(real), seconds(again)) for _ in range(blocks)]
        ours, theirs = map(list, zip(*times, strict=True))
        lines.append(f"{ratio(theirs, ours)}   {waited / sum(ours):6.1%}")
    batches.close()
    rate = BLOCK * n / statistics.median(theirs)
    print(f"{name:20} {size:4} {n:5}  {lines[0]}   {lines[1]}   {rate:6.0f}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--manual_dir", required=True, help="folder of the archives")
    parser.add_argument("--data_dir", default=None, help="folder of the built data sets")
    parser.add_argument("--epoch", type=int, default=20, help="batches per epoch")
    parser.add_argument("networks", nargs="*", default=NAMES, help=", ".join(NETWORKS))
    args = parser.parse_args()
    faces = imdb_wiki("train", manual_dir=args.manual_dir, data_dir=args.data_dir)
    print("network              size batch  first epoch, waiting            later, waiting")
    for name in args.networks:
        compare(name, faces, args.epoch)


if __name__ == "__main__":
    main()
