import dataclasses
import io
import itertools

import numpy as np
import pytest
from PIL import Image

from agejax.data.faces import Faces
from agejax.data.stream import Loader, eval_batches, train_batches
from agejax.errors import UserError


def faces(n=10, size=8):
    jpegs = []
    for i in range(n):
        out = io.BytesIO()
        Image.new("RGB", (size, size), (i * 20, 0, 255 - i * 20)).save(out, "JPEG", quality=95)
        jpegs.append(out.getvalue())
    return Faces(
        path=np.array([f"{i:03}.jpg" for i in range(n)]),
        labels={"age": np.arange(n, dtype=np.int32)},
        known={"age": np.ones(n, bool)},
        sha256=np.array([str(i) for i in range(n)]),
        read=lambda rows: [jpegs[row] for row in rows],
        rows=np.arange(n),
    )


def ages(batches, n):
    return [batch["labels"]["age"].tolist() for batch in itertools.islice(batches, n)]


def stream(workers=1, cache_mib=0, n=10, **options):
    loader = Loader(faces(n), size=8, workers=workers, cache_mib=cache_mib)
    return train_batches(loader, **{"seed": 5, "batch_size": 4} | options)


def test_every_epoch_is_its_own_shuffle():
    seen = list(itertools.chain(*ages(stream(), 10)))
    epochs = [seen[i : i + 10] for i in range(0, 40, 10)]
    assert all(sorted(epoch) == list(range(10)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 4


def test_a_later_start_is_the_same_stream():
    assert ages(stream(start=7), 5) == ages(stream(), 12)[7:]


def test_the_order_depends_on_the_seed_and_on_nothing_else():
    order = ages(stream(), 6)
    assert ages(stream(workers=4, cache_mib=1), 6) == order
    assert ages(stream(seed=6), 6) != order


def test_slices_of_processes_make_up_the_batch():
    whole = ages(stream(), 6)
    halves = [ages(stream(shard=(i, 2)), 6) for i in range(2)]
    assert [a + b for a, b in zip(*halves, strict=True)] == whole


def test_a_step_far_away_is_reached_at_once():
    assert len(ages(stream(start=10**9), 1)[0]) == 4


@pytest.mark.parametrize("cache_mib", [0, 1])
def test_pixels_stay_with_their_labels(cache_mib):
    for batch in itertools.islice(stream(cache_mib=cache_mib, workers=3), 8):
        np.testing.assert_allclose(batch["image"][:, 4, 4, 0], batch["labels"]["age"] * 20, atol=6)
        assert batch["mask"].all()


def test_evaluation_sees_each_face_once_and_masks_the_rest():
    batches = list(eval_batches(Loader(faces(10), size=8, workers=2), batch_size=4))
    assert [b["image"].shape[0] for b in batches] == [4, 4, 4]
    kept = np.concatenate([b["labels"]["age"][b["mask"]] for b in batches])
    assert kept.tolist() == list(range(10))
    assert batches[-1]["mask"].tolist() == [True, True, False, False]
    assert not batches[-1]["known"]["age"][2:].any()


@pytest.mark.parametrize(("n", "k"), [(10, 2), (10, 4), (3, 4), (8, 2)])
def test_slices_of_an_evaluation_make_up_the_batch(n, k):
    """The last ones may be padding alone."""
    loader = Loader(faces(n), size=8, workers=1)
    wanted = list(eval_batches(loader, batch_size=4))
    parts = [list(eval_batches(loader, batch_size=4, shard=(i, k))) for i in range(k)]
    for whole, *slices in zip(wanted, *parts, strict=True):
        for key in ("image", "mask"):
            np.testing.assert_array_equal(np.concatenate([s[key] for s in slices]), whole[key])


def test_faces_that_stand_elsewhere_too_are_left_out():
    some = faces(6).where(np.arange(6) % 2 == 0)
    rest = faces(6).without(some)
    assert rest.path.tolist() == ["001.jpg", "003.jpg", "005.jpg"]
    assert rest.labels["age"].tolist() == rest.rows.tolist() == [1, 3, 5]
    assert rest.read(rest.rows)[0] == faces(6).read([1])[0]


def rotten(*rows, n=10):
    """Faces of which some have rotted since they were built."""
    some = faces(n)
    read = lambda wanted: [b"" if r in rows else some.read([r])[0] for r in wanted]
    return dataclasses.replace(some, read=read)


@pytest.mark.parametrize("cache_mib", [0, 8])
def test_a_rotten_record_is_named_once_and_masked_in_every_epoch(cache_mib):
    told = []
    loader = Loader(
        rotten(3),
        size=8,
        workers=2,
        cache_mib=cache_mib,
        max_unreadable=0.1,
        report=lambda path, why: told.append(path),
    )
    for batch in itertools.islice(train_batches(loader, seed=5, batch_size=5), 8):
        np.testing.assert_array_equal(batch["mask"], batch["labels"]["age"] != 3)
        assert not batch["image"][~batch["mask"]].any()
    assert told == ["003.jpg"]
    (batch,) = eval_batches(loader.rows(), batch_size=10)  # as where pixels are on the devices
    np.testing.assert_array_equal(batch["mask"], np.arange(10) != 3)


def test_too_many_rotten_records_are_an_error_that_names_one():
    loader = Loader(rotten(3, 4), size=8, workers=1, max_unreadable=0.1)
    with pytest.raises(UserError, match=r"2 of 10 faces cannot be read any more, such as 004\.jpg"):
        list(eval_batches(loader, batch_size=4))
