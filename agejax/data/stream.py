"""Training batches as a pure function of (seed, step), and ordered batches for evaluation."""

import itertools
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor

import grain
import numpy as np

from agejax.data.decode import BadImage, decode
from agejax.data.faces import Faces
from agejax.data.jpegs import Jpegs
from agejax.data.parallel import in_order
from agejax.data.pixels import Pixels
from agejax.data.quarantine import Quarantine
from agejax.types import Batch


class RowLoader:
    """Loads labels of faces and, in place of pixels, their row indices on the device, int32 [B]."""

    def __init__(self, faces: Faces, quarantine: Quarantine | None = None):
        """For faces whose pixels are already on the devices; those in quarantine are masked."""
        self.faces, self.quarantine = faces, quarantine or Quarantine(faces)

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
            mask=np.pad(~self.quarantine.bad[indices], pad),
        )
        if self.faces.upto:
            batch["upto"] = of(self.faces.upto)
        if self.faces.label_weights:
            batch["weights"] = of(self.faces.label_weights)
        return batch


class Loader(RowLoader):
    """Decodes faces on threads, each only once if there is space to cache all pixels."""

    def __init__(
        self,
        faces: Faces,
        *,
        size: int,
        workers: int,
        crop: float = 0.0,
        max_unreadable: float = 0.0,
        report: Callable[[str, str], None] = lambda path, why: None,
        cache_mib: int = 0,
        cache_dir: str | None = None,
    ):
        """Decodes on threads.

        Args:
          faces: whose pixels.
          size: pixels a side.
          workers: how many threads.
          crop: as in `decode`; if not 0, no pixels are cached.
          max_unreadable: the largest fraction of unreadable faces; they are masked.
          report: called with the path of each and the reason.
          cache_mib: as in `Pixels`; if the pixels do not fit, as many JPEGs as fit are cached.
          cache_dir: as in `Pixels`.
        """
        super().__init__(faces, Quarantine(faces, max_unreadable, report))
        self.size = size
        self._crop = crop
        self._pool = ThreadPoolExecutor(workers)
        keep = (0, None) if crop else (cache_mib, cache_dir)
        self._pixels = Pixels(faces, size, cache_mib=keep[0], cache_dir=keep[1])
        self._read = faces.read if self._pixels.kept else Jpegs(faces.read, cache_mib)

    def __call__(self, indices: Sequence[int] | np.ndarray, rows: int | None = None) -> Batch:
        """The faces of `indices`, padded with masked black ones up to `rows`.

        Raises:
          UserError: more faces than `max_unreadable` cannot be read.
        """
        wanted = np.asarray(indices, np.int64)
        n = len(wanted) if rows is None else rows
        image = np.empty((n, self.size, self.size, 3), np.uint8)
        image[len(wanted) :] = 0
        missing = self._pixels.take(wanted, image[: len(wanted)])
        list(self._pool.map(lambda part: self._decode(part, wanted, image), _runs(missing)))
        missing = missing[~self.quarantine.bad[wanted[missing]]]
        if len(missing):
            self._pixels.put(wanted[missing], image[missing])
        return super().__call__(indices, rows) | {"image": image}

    def rows(self) -> RowLoader:
        """The same faces without their pixels."""
        return RowLoader(self.faces, self.quarantine)

    def _decode(self, places: np.ndarray, indices: np.ndarray, image: np.ndarray) -> None:
        jpegs = self._read(self.faces.rows[indices[places]])
        for place, jpeg in zip(places, jpegs, strict=True):
            try:
                decode(jpeg, self.size, image[place], crop=self._crop)
            except BadImage as error:
                image[place] = 0
                self.quarantine.add(int(indices[place]), error)


def _runs(places: np.ndarray, length: int = 32) -> list[np.ndarray]:
    """Pieces long enough for batched reads, and short enough to distribute over threads."""
    return [places[i : i + length] for i in range(0, len(places), length)]


def step_rows(faces: Faces, *, seed: int, batch_size: int) -> Callable[..., list[int]]:
    """(step, slice of the batch) -> the rows of faces in that step's batch, from step 0 on."""
    order = _order(faces, seed)

    def rows(step: int, part: slice = slice(None)) -> list[int]:
        return [order[i] for i in range(step * batch_size, (step + 1) * batch_size)[part]]

    return rows


def train_batches(
    loader: RowLoader,
    *,
    seed: int,
    batch_size: int,
    start: int = 0,
    shard: tuple[int, int] = (0, 1),
) -> Generator[Batch]:
    """Endless batches of shuffled epochs from step `start` on, two of them prefetched.

    If faces have `weights`, each set has its own epochs, and they are interleaved in that
    proportion.

    Args:
      loader: of the training faces.
      seed: seed of the order; every epoch has another one.
      batch_size: faces per step, over all processes.
      start: the first step.
      shard: (i, k): the i-th of k equal slices of every batch, for one of k processes.
    """
    rows_of = step_rows(loader.faces, seed=seed, batch_size=batch_size)
    i, k = shard
    mine = slice(i * batch_size // k, (i + 1) * batch_size // k)

    def batch(step: int) -> Batch:
        return loader(rows_of(step, mine))

    with ThreadPoolExecutor(2) as pool:
        yield from in_order(pool, batch, itertools.count(start), ahead=2)


def _order(faces: Faces, seed: int) -> grain.MapDataset:
    """Infinite rows of faces, with random access by position."""

    def epochs(rows: grain.MapDataset, seed: int) -> grain.MapDataset:
        return rows.seed(seed).shuffle().repeat()

    if faces.weights is None:
        return epochs(grain.MapDataset.range(len(faces)), seed)  # twice as fast as a data source
    sets = [np.flatnonzero(faces.attributes["set"] == name) for name in faces.weights]
    shuffled = [epochs(grain.MapDataset.source(s), seed + i) for i, s in enumerate(sets)]
    return grain.MapDataset.mix(shuffled, weights=list(faces.weights.values()))


def eval_batches(
    loader: RowLoader, *, batch_size: int, shard: tuple[int, int] = (0, 1)
) -> Generator[Batch]:
    """All faces once, in order; the last batch is padded to `batch_size` with masked rows.

    `shard`, (i, k), selects the i-th of k equal slices of every batch.
    """
    n = len(loader)
    i, k = shard
    rows = batch_size // k
    with ThreadPoolExecutor(2) as pool:
        starts = range(i * rows, -(-n // batch_size) * batch_size, batch_size)
        load = lambda start: loader(range(min(start, n), min(start + rows, n)), rows=rows)
        yield from in_order(pool, load, starts, ahead=2)
