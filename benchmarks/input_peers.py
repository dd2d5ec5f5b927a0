"""The sides of `input.py`: each is a function of (faces, size) that yields endless batches."""

import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from turns import serve

from agejax.data.imdb_wiki import imdb_wiki
from agejax.data.stream import Loader, eval_batches, train_batches
from agejax.kernels.cpu import keep_freed_memory

BATCH, THREADS = 64, 2


def agejax(faces, size):
    keep_freed_memory()  # as in training
    loader = Loader(
        faces, size=size, workers=THREADS, cache_mib=256
    )  # enough for JPEGs, not for pixels
    for batch in eval_batches(loader, batch_size=BATCH):  # the first epoch
        del batch
    return train_batches(loader, seed=0, batch_size=BATCH)


def decoded(jpeg, size, out=None):
    """The decoder of peers that decode in Python: the same fast one that agejax uses."""
    import cv2
    import simplejpeg

    pixels = simplejpeg.decode_jpeg(jpeg, min_height=size, min_width=size, strict=True)
    return cv2.resize(pixels, (size, size), dst=out, interpolation=cv2.INTER_LINEAR_EXACT)


def simplejpeg(faces, size):
    """Without a loader: two threads fill halves of a batch from JPEGs in memory."""
    jpegs = in_memory(faces)
    rng = np.random.default_rng(0)
    with ThreadPoolExecutor(THREADS) as pool:
        while True:
            batch = np.empty((BATCH, size, size, 3), np.uint8)
            rows = rng.integers(0, len(jpegs), BATCH)

            def half(start, rows=rows, batch=batch):
                for i in range(start, BATCH, THREADS):
                    decoded(jpegs[rows[i]], size, batch[i])

            list(pool.map(half, range(THREADS)))
            yield batch


def torch(faces, size):
    import torch.utils.data

    class Faces(torch.utils.data.Dataset):
        def __init__(self):
            self.jpegs, self.ages = in_memory(faces), faces.labels["age"]

        def __len__(self):
            return len(self.jpegs)

        def __getitem__(self, row):
            return torch.from_numpy(decoded(self.jpegs[row], size)), int(self.ages[row])

    loader = torch.utils.data.DataLoader(
        Faces(), BATCH, shuffle=True, num_workers=2, prefetch_factor=4, persistent_workers=True
    )
    while True:
        yield from loader


def tf_data(faces, size):
    import tensorflow as tf

    def decode(jpeg, age):
        pixels = tf.io.decode_jpeg(jpeg, channels=3, dct_method="INTEGER_FAST")
        return tf.cast(tf.round(tf.image.resize(pixels, (size, size))), tf.uint8), age

    options = tf.data.Options()
    options.deterministic = False
    options.threading.private_threadpool_size = THREADS
    data = tf.data.Dataset.from_tensor_slices((in_memory(faces), faces.labels["age"]))
    data = data.shuffle(len(faces), reshuffle_each_iteration=True).repeat()
    data = data.map(decode, num_parallel_calls=tf.data.AUTOTUNE).batch(BATCH, drop_remainder=True)
    return iter(data.prefetch(tf.data.AUTOTUNE).with_options(options).as_numpy_iterator())


def grain(faces, size):
    import grain

    jpegs, ages = in_memory(faces), faces.labels["age"]
    data = grain.MapDataset.range(len(jpegs)).seed(0).shuffle().repeat()
    data = data.map(lambda row: {"image": decoded(jpegs[row], size), "age": ages[row]})
    reading = grain.ReadOptions(num_threads=THREADS, prefetch_buffer_size=2 * BATCH)
    return iter(data.to_iter_dataset(reading).batch(BATCH))


def in_memory(faces):
    return faces.read(faces.rows)


def main(peer, manual_dir, data_dir, size):
    faces = imdb_wiki("train", manual_dir=manual_dir, data_dir=data_dir or None)
    batches = globals()[peer.replace(".", "_")](faces, int(size))

    def take(n):
        for _ in range(n):
            next(batches)

    serve(take)


if __name__ == "__main__":
    main(*sys.argv[1:])
