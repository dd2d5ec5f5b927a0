"""Batches as a pure function of (seed, step), and a split in order."""

import itertools
from collections.abc import Generator, Sequence
from concurrent.futures import ThreadPoolExecutor

import grain
import numpy as np

from agejax.data.decode import BadImage, decode
from agejax.data.faces import Faces
from agejax.data.parallel import in_order
from agejax.data.pixels import Pixels
from agejax.errors import UserError
from agejax.types import Batch


class RowLoader:
    """Labels of faces, and in place of their pixels the rows where these stand, int32 [B]."""

    def __init__(self, faces: Faces):
        """For faces whose pixels are on the devices already."""
        self.faces = faces

    def __len__(self) -> int:
        return len(self.faces)

    def __call__(self, indices: Sequence[int] | np.ndarray, rows: int | None = None) -> Batch:
        """The faces of `indices`, padded with masked ones up to `rows`."""
        n = len(indices)
        rows = n if rows is None else rows
        indices = np.asarray(indices, np.int64)
        pad = (0, rows - n)
        of = lambda columns: {
            task: np.pad(column[indices], pad) for task, column in columns.items()
        }
        batch = Batch(
            image=np.pad(indices.astype(np.int32), pad),
            labels=of(self.faces.labels),
            known=of(self.faces.known),
            mask=np.arange(rows) < n,
        )
        return batch | {"upto": of(self.faces.upto)} if self.faces.upto else batch


class Loader(RowLoader):
    """Decodes faces on threads, each once if there is room to keep its pixels."""

    def __init__(self, faces: Faces, *, size: int, workers: int, crop: float = 0.0, **keep):
        """Pixels are `size` a side, decoded on `workers` threads; `keep` is for `Pixels`.

        With a `crop`, as `decode` has it, nothing is kept.
        """
        super().__init__(faces)
        self.size = size
        self._crop = crop
        self._pool = ThreadPoolExecutor(workers)
        self._pixels = Pixels(faces, size, **({} if crop else keep))

    def __call__(self, indices: Sequence[int] | np.ndarray, rows: int | None = None) -> Batch:
        """The faces of `indices`, padded with masked black ones up to `rows`."""
        batch = super().__call__(indices, rows)
        wanted = np.asarray(indices, np.int64)
        image = np.empty((len(batch["mask"]), self.size, self.size, 3), np.uint8)
        image[len(wanted) :] = 0
        missing = self._pixels.take(wanted, image[: len(wanted)])
        list(self._pool.map(lambda part: self._decode(part, wanted, image), _runs(missing)))
        if len(missing):
            self._pixels.put(wanted[missing], image[missing])
        return batch | {"image": image}

    def _decode(self, places: np.ndarray, indices: np.ndarray, image: np.ndarray) -> None:
        jpegs = self.faces.read(self.faces.rows[indices[places]])
        for place, jpeg in zip(places, jpegs, strict=True):
            try:
                decode(jpeg, self.size, image[place], crop=self._crop)
            except BadImage as error:
                path = self.faces.path[indices[place]]
                raise UserError(
                    f"record {path} is damaged: {error}; build the data again"
                ) from error


def _runs(places: np.ndarray, length: int = 32) -> list[np.ndarray]:
    """Pieces long enough for batched reads, short enough to share among threads."""
    return [places[i : i + length] for i in range(0, len(places), length)]


def train_batches(
    loader: RowLoader,
    *,
    seed: int,
    batch_size: int,
    start: int = 0,
    shard: tuple[int, int] = (0, 1),
) -> Generator[Batch]:
    """Endless batches of shuffled epochs from step `start` on, two of them prepared ahead.

    Where faces have `weights`, each set has epochs of its own, and they are interleaved in that
    proportion.

    Args:
      loader: of the training faces.
      seed: of the order; every epoch has its own.
      batch_size: faces a step, over all processes.
      start: the first step.
      shard: (i, k): the i-th of k equal slices of every batch, for one of k processes.
    """
    order = _order(loader.faces, seed)
    i, k = shard
    mine = range(i * batch_size // k, (i + 1) * batch_size // k)

    def batch(step: int) -> Batch:
        return loader([order[step * batch_size + j] for j in mine])

    with ThreadPoolExecutor(2) as pool:
        yield from in_order(pool, batch, itertools.count(start), ahead=2)


def _order(faces: Faces, seed: int) -> grain.MapDataset:
    """Rows of faces, without end, each found by its position alone."""

    def epochs(rows: np.ndarray, seed: int) -> grain.MapDataset:
        return grain.MapDataset.source(rows).seed(seed).shuffle().repeat()

    if faces.weights is None:
        return epochs(np.arange(len(faces)), seed)
    sets = [np.flatnonzero(faces.attributes["set"] == name) for name in faces.weights]
    shuffled = [epochs(rows, seed + i) for i, rows in enumerate(sets)]
    return grain.MapDataset.mix(shuffled, weights=list(faces.weights.values()))


def eval_batches(loader: RowLoader, *, batch_size: int) -> Generator[Batch]:
    """All faces once, in order; the last batch is padded to `batch_size` with masked rows."""
    n = len(loader)
    with ThreadPoolExecutor(2) as pool:
        starts = range(0, n, batch_size)
        load = lambda i: loader(range(i, min(i + batch_size, n)), rows=batch_size)
        yield from in_order(pool, load, starts, ahead=2)
