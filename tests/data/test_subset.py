"""Training on a number of faces: whole persons, chosen by the seed."""

import dataclasses

import numpy as np
import pytest

from agejax.data.mixture import mixture
from agejax.data.subset import of_some_persons
from agejax.errors import UserError
from agejax.evaluation.open_split import open_split
from tests.tiny import get_config


@pytest.fixture
def imdb(archives, built):
    """The config of a painted IMDB with so many training faces."""

    def of(faces, **more):
        config = get_config()
        config.data.update(manual_dir=str(archives), data_dir=str(built), train_faces=faces)
        config.update(more)
        return config

    return of


def test_a_part_has_that_many_faces_and_is_contained_in_a_larger_one(imdb):
    whole = open_split(imdb(0), "train")
    inner: set[str] = set()
    for n in (1, 20, 21, 60, len(whole)):
        part = open_split(imdb(n), "train")
        assert len(part) == n
        assert part.path.tolist() == sorted(part.path.tolist())
        assert inner <= set(part.path)
        inner = set(part.path)
        cut = [p for p in set(part.person) if (whole.person == p).sum() > (part.person == p).sum()]
        assert len(cut) <= 1


def test_another_seed_has_others_and_the_other_splits_stay(imdb):
    ours, theirs = (open_split(imdb(40, seed=seed), "train") for seed in (0, 1))
    assert set(ours.path) != set(theirs.path)
    for split in ("validation", "test"):
        assert (open_split(imdb(40), split).path == open_split(imdb(0), split).path).all()


def test_the_order_of_faces_does_not_matter_nor_do_unknown_persons(imdb):
    whole = open_split(imdb(0), "train")
    turned = whole.where(np.arange(len(whole))[::-1])
    assert set(of_some_persons(turned, 30, 0).person) == set(of_some_persons(whole, 30, 0).person)
    alone = dataclasses.replace(whole, person=None)
    assert len(of_some_persons(alone, 30, 0)) == 30


def test_more_faces_than_there_are_and_several_sets_are_told(imdb):
    n = len(open_split(imdb(0), "train"))
    with pytest.raises(UserError, match=f"train_faces is {n + 1}, but there are {n} training"):
        open_split(imdb(n + 1), "train")
    config = imdb(5)
    config.data.source = mixture
    with pytest.raises(UserError, match="train_faces is for one set"):
        open_split(config, "train")
