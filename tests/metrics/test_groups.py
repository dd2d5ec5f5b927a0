import json

import numpy as np
import pytest

from agejax.metrics.groups import by_group, decades, worst_to_mean


def test_decades_are_told_by_whole_years():
    ages = np.array([0, 9, 10, 59, 60, 69, 70, 100, 3])
    known = np.array([True] * 8 + [False])
    expected = ["0-9", "0-9", "10-19", "50-59", "60-69", "60-69", "70+", "70+", "unknown"]
    assert decades(ages, known).tolist() == expected


@pytest.fixture
def figures():
    rng = np.random.default_rng(0)
    error, known = rng.exponential(5, 300), rng.random(300) < 0.9
    kinds = {
        "decade": decades(rng.integers(0, 101, 300), rng.random(300) < 0.95),
        "race": np.array(["b", "a", "unknown"])[rng.integers(3, size=300)],
    }
    person = rng.integers(80, size=300)
    return error, known, by_group({"mae": (error, known)}, kinds, person)


def test_groups_add_up_to_the_whole(figures):
    error, known, groups = figures
    for of in groups.values():
        assert sum(group["n"] for group in of.values()) == 300
    whole = by_group({"mae": (error, known)}, {"all": np.full(300, "all")}, np.arange(300))
    assert whole["all"]["all"]["mae"] == pytest.approx(error[known].mean())
    everybody = np.ones(300, bool)
    kinds = {"race": np.array(["a", "b", "c"])[np.arange(300) % 3]}
    of = by_group({"mae": (error, everybody)}, kinds, np.arange(300))["race"]
    assert sum(g["n"] * g["mae"] for g in of.values()) / 300 == pytest.approx(error.mean())


def test_groups_stand_in_order_and_the_unknown_last(figures):
    *_, groups = figures
    assert list(groups["race"]) == ["a", "b", "unknown"]
    assert list(groups["decade"])[:3] == ["0-9", "10-19", "20-29"]
    assert list(groups["decade"])[-2:] == ["70+", "unknown"]


def test_every_mean_lies_in_its_interval(figures):
    *_, groups = figures
    for of in groups.values():
        for group in of.values():
            low, high = group["mae_interval"]
            assert low < group["mae"] < high


def test_a_group_without_evidence_says_so_in_valid_json():
    kinds = {"race": np.array(["a", "a", "b", "c", "c"])}
    counts = np.array([True, True, True, False, False])
    groups = by_group({"mae": (np.arange(5.0), counts)}, kinds, np.arange(5))
    assert groups["race"]["b"] == {"n": 1, "mae": 2.0, "mae_interval": None}
    assert groups["race"]["c"] == {"n": 2, "mae": None, "mae_interval": None}
    json.dumps(groups, allow_nan=False)


def test_the_worst_group_is_one_of_thirty_known_faces_at_least():
    groups = {
        "a": {"n": 30, "mae": 6.0},
        "b": {"n": 300, "mae": 4.0},
        "c": {"n": 29, "mae": 60.0},
        "unknown": {"n": 99, "mae": 50.0},
    }
    assert worst_to_mean(groups, 5.0) == pytest.approx(1.2)
    assert worst_to_mean({"c": groups["c"]}, 5.0) is None
