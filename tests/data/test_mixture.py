import dataclasses
import itertools

import numpy as np
import pytest

from agejax.data.mixture import mixture
from agejax.data.stream import RowLoader, train_batches
from agejax.errors import NoSuchSplit, UserError
from tests.data.test_stream import faces

SIZES = {"train": 10, "validation": 4, "test": 6}


def small(split, *, n=1, tested=True):
    """`n` times as many faces as `SIZES` has."""
    if split not in SIZES or (split == "test" and not tested):
        raise NoSuchSplit(f"no split {split!r}")
    return faces(n * SIZES[split])


def with_race(split, *, n=1):
    some = small(split, n=n)
    race = np.array(["x", "y"])[np.arange(len(some)) % 2]
    upto = {"age": some.labels["age"] + 1}
    return dataclasses.replace(some, attributes={"race": race}, upto=upto)


def sets(**weights):
    return {
        name: {
            "source": with_race if name == "b" else small,
            "weight": weight,
            "n": 1 + (name == "b"),
        }
        for name, weight in weights.items()
    }


def test_sets_stand_side_by_side_with_all_that_is_known():
    both = mixture("test", sets=sets(b=1, a=1))
    assert both.path.tolist() == sorted(both.path.tolist())
    assert both.path[0] == "a/000.jpg"
    assert both.attributes["set"].tolist() == ["a"] * 6 + ["b"] * 12
    assert both.attributes["race"].tolist() == ["unknown"] * 6 + ["x", "y"] * 6
    np.testing.assert_array_equal(both.labels["age"], [*range(6), *range(12)])
    np.testing.assert_array_equal(both.upto["age"], [*range(6), *range(1, 13)])
    assert len(np.unique(both.person)) == 18
    rows = np.array([17, 0, 6, 5])
    ours = [*small("test").read([0, 5]), *with_race("test", n=2).read([0, 11])]
    assert both.read(rows) == [ours[3], ours[0], ours[2], ours[1]]
    one = both.where(both.attributes["set"] == "b")
    assert one.read(one.rows[:1]) == [ours[2]]


def test_one_set_alone_and_those_that_are_trained_on():
    given = sets(a=1, b=0)
    assert set(mixture("b/test", sets=given).attributes["set"]) == {"b"}
    assert set(mixture("train", sets=given).attributes["set"]) == {"a"}
    assert set(mixture("validation", sets=given).attributes["set"]) == {"a"}
    assert set(mixture("test", sets=given).attributes["set"]) == {"a", "b"}
    assert mixture("train", sets=given).weights is None
    given["a"]["tested"] = False
    assert set(mixture("test", sets=given).attributes["set"]) == {"b"}


def sets_of(batches, n, names):
    return [names[batch["image"]].tolist() for batch in itertools.islice(batches, n)]


def test_weights_are_kept_in_every_stretch_and_each_set_has_its_epochs():
    mixed = mixture("train", sets=sets(a=3, b=1))
    loader, names = RowLoader(mixed), mixed.attributes["set"]
    batches = [
        b["image"] for b in itertools.islice(train_batches(loader, seed=1, batch_size=8), 40)
    ]
    for batch in batches:
        assert (names[batch] == "a").sum() == 6
    rows = np.concatenate(batches)
    of_a = rows[names[rows] == "a"]
    for start in range(0, 200, 10):  # an epoch of a has its ten faces, each once
        assert sorted(of_a[start : start + 10].tolist()) == list(range(10))


def test_the_mixed_stream_is_a_function_of_seed_and_step():
    mixed = mixture("train", sets=sets(a=1, b=2.5))
    stream = lambda **of: (
        b["image"].tolist()
        for b in train_batches(RowLoader(mixed), **{"seed": 5, "batch_size": 8} | of)
    )
    first = list(itertools.islice(stream(), 12))
    assert list(itertools.islice(stream(start=7), 5)) == first[7:]
    assert list(itertools.islice(stream(seed=6), 12)) != first
    halves = [list(itertools.islice(stream(shard=(i, 2)), 12)) for i in range(2)]
    assert [a + b for a, b in zip(*halves, strict=True)] == first


@pytest.mark.parametrize(
    ("given", "split", "said"),
    [
        ({}, "train", "config.data.sets is empty"),
        (sets(a=0), "train", "not all 0"),
        (sets(a=-1, b=1), "train", "0 or more"),
        (sets(a=1), "c/test", "there is no set 'c'; there are a"),
        (sets(a=1), "dev", "no split 'dev'"),
        ({"a": {"source": small, "colour": 3}}, "train", "config.data.sets.a: .*colour"),
        ({"a": {"weight": 1.0}}, "train", "cannot be imported"),
    ],
)
def test_what_is_no_mixture(given, split, said):
    with pytest.raises(UserError, match=said):
        mixture(split, sets=given)
