"""How batches reach the train step: with their pixels, or with rows of pixels that stay there."""

from collections.abc import Generator, Iterator
from itertools import islice

import jax
import numpy as np
from jax.sharding import Mesh

from agejax.data.stream import Loader, RowLoader, eval_batches, train_batches
from agejax.distributed.initialize import is_first
from agejax.distributed.mesh import own_shard, put_batch, put_whole
from agejax.types import Batch
from agejax.utils.notes import bar

_ON_AN_ACCELERATOR = 8192  # MiB that pixels may take of each device, if nothing else is said


def pixels_on_device(mesh: Mesh, loader: Loader, device_mib: int | None) -> jax.Array | None:
    """All pixels of a split on every device, or None where they do not fit.

    Args:
      mesh: the devices.
      loader: of the split.
      device_mib: how many MiB of a device they may take; None for 8,192 on an accelerator, and none
        on a CPU, whose memory they are in already.

    Returns:
      uint8 [N, size, size, 3], in the order of the loader.
    """
    if device_mib is None:
        device_mib = 0 if jax.default_backend() == "cpu" else _ON_AN_ACCELERATOR
    shape = (len(loader), loader.size, loader.size, 3)
    if np.prod(shape) > device_mib * 2**20:
        return None
    pixels = np.empty(shape, np.uint8)
    batches = eval_batches(loader, batch_size=(step := 256))
    starts = range(0, len(loader), step)
    if is_first():
        starts = bar(starts, desc="decoding", unit="batch", leave=False)
    for start, batch in zip(starts, batches, strict=True):
        here = pixels[start : start + step]  # of the last batch, not all
        here[:] = batch["image"][: len(here)]
    return put_whole(mesh, pixels)


def feed(
    mesh: Mesh, loader: Loader | RowLoader, *, steps_per_call: int, **order
) -> Generator[Batch]:
    """Batches on the devices, `steps_per_call` of them stacked where it is above 1.

    Args:
      mesh: the devices.
      loader: of the training faces; a `RowLoader` where their pixels are on the devices.
      steps_per_call: how many steps one call of the train step does.
      **order: `seed`, `batch_size` and `start`, for `train_batches`.
    """
    batches = train_batches(loader, shard=own_shard(), **order)
    try:
        for batch in batches if steps_per_call == 1 else _stacked(batches, steps_per_call):
            yield put_batch(mesh, batch, stacked=steps_per_call > 1)
    finally:
        batches.close()


def _stacked(batches: Iterator[Batch], n: int) -> Iterator[Batch]:
    while True:
        yield jax.tree.map(lambda *rows: np.stack(rows), *islice(batches, n))
