"""Intervals calibrated by predicted group keep their promise in each, for any number of faces."""

import copy
import dataclasses
import json

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import beta, norm

from agejax.metrics.calibration import LEVEL, Calibration, fit_widening
from agejax.metrics.groups import group_order
from agejax.metrics.interval_groups import (
    fewest,
    fit_groups,
    group_lines,
    group_of,
    names_of,
    rank,
    widenings,
)
from agejax.metrics.intervals import fit_by_group, interval_of, predicted_groups

SPREADS = {"F": 0.3, "M": 1.5}  # standard deviations of the scores: women's are much too wide


@pytest.mark.parametrize("n", [9, 20, 59, 300])
def test_each_group_is_covered_as_the_finite_sample_bound_says(n):
    rng, draws = np.random.default_rng(n), 1000
    group, covered = np.arange(2 * n) % 2, {"F": [], "M": []}
    spread = np.array(list(SPREADS.values()))[group]
    for _ in range(draws):
        found = fit_groups(rng.normal(0, spread), group, ["gender"], LEVEL)["groups"]
        for name, of in found.items():
            covered[name].append(norm.cdf(of["widening"], scale=SPREADS[name]))
    k = rank(n, LEVEL)
    assert LEVEL <= k / (n + 1) < LEVEL + 1 / (n + 1)
    for shares in covered.values():
        # The coverage given the calibration faces has the distribution Beta(k, n + 1 - k).
        error = beta.std(k, n + 1 - k) / draws**0.5
        assert np.mean(shares) == pytest.approx(k / (n + 1), abs=4 * error)
        low = (np.array(shares) < beta.ppf(0.05, k, n + 1 - k)).mean()
        assert low == pytest.approx(0.05, abs=4 * (0.05 * 0.95 / draws) ** 0.5)


def people(n, seed):
    """Ages around 20 or 60, read with the same certainty; men are read with twice the error."""
    rng = np.random.default_rng(seed)
    male, old = rng.integers(0, 2, n), rng.integers(0, 2, n)
    read = 20 + 40 * old + rng.normal(0, 1, n)
    age = np.clip(np.round(read + rng.normal(0, 2.5 + 2.5 * male)), 0, 100).astype(int)
    ages = np.exp(-0.5 * ((np.arange(101) - read[:, None]) / 4) ** 2)
    gender = np.where(np.arange(2) == male[:, None], 0.8, 0.2)
    return {"age": ages / ages.sum(1, keepdims=True), "gender": gender}, age, male


def test_where_one_widening_serves_neither_gender_each_gets_its_own():
    p, age, _ = people(4000, 0)
    one = Calibration({}, {"age": fit_widening(p["age"], age)}, len(age))
    each = dataclasses.replace(one, by_group=fit_by_group(p, age, ("age", "gender")))
    p, age, male = people(8000, 1)
    covered = {}
    for name, calibration in (("one", one), ("each", each)):
        low, median, high = interval_of(p, calibration)
        assert ((low <= median) & (median <= high)).all()
        inside = (low <= age) & (age <= high)
        covered[name] = [inside[male == sex].mean() for sex in (0, 1)]
    assert covered["one"][0] > 0.95
    assert covered["one"][1] < 0.86
    assert covered["each"] == pytest.approx([0.9, 0.9], abs=0.02)
    assert predicted_groups(p, one) == {}
    (kind,) = predicted_groups(p, each)
    assert kind == "predicted age*gender"


def test_fewer_faces_than_the_level_needs_have_the_widening_of_all():
    assert (fewest(0.9), fewest(0.95), fewest(0.5), rank(9, 0.9)) == (9, 19, 1, 9)
    score = np.arange(17) / 10
    fitted = fit_groups(score, (np.arange(17) >= 8).astype(int), ["gender"], LEVEL)
    assert fitted["groups"] == {"F": {"n": 8, "widening": None}, "M": {"n": 9, "widening": 1.6}}
    p = {"age": np.eye(101)[:2], "gender": np.eye(2)}
    np.testing.assert_array_equal(widenings(p, fitted, 0.25), [0.25, 1.6])
    said = "\n".join(group_lines({"age": fitted}, LEVEL))
    assert "F        8 faces, below 9: as all faces" in said
    assert "M        +1.600 by 9 faces, for 90.0% of further ones" in said


def test_groups_are_of_the_printed_age_and_gender_in_both_kinds_of_arrays():
    ages = [0, 12, 13, 17, 18, 64, 65, 100]
    p = {"age": np.eye(101)[ages], "gender": np.array([[0.6, 0.4]] * 7 + [[0.5, 0.5]])}
    names = np.array(names_of(["age", "gender"]))
    expected = ["0-12", "0-12", "13-17", "13-17", "18-24", "55-64", "65+", "65+"]
    assert names[group_of(p, ["age", "gender"])].tolist() == [f"{band}*F" for band in expected]
    assert len(names) == 16 == len(set(names))
    assert sorted(set(names.tolist()), key=group_order) == names.tolist()
    fitted = {
        "by": ["age"],
        "groups": {n: {"n": 9, "widening": i / 7} for i, n in enumerate(names_of(["age"]))},
    }
    ours = widenings(p, fitted, 0.0)
    theirs = widenings({k: jnp.asarray(v, jnp.float32) for k, v in p.items()}, fitted, 0.0)
    np.testing.assert_allclose(theirs, ours, rtol=1e-6)
    assert theirs.dtype == jnp.float32
    np.testing.assert_allclose(ours, np.array([0, 0, 1, 1, 2, 6, 7, 7]) / 7)


@pytest.fixture(scope="module")
def saved():
    p, age, _ = people(100, 2)
    fitted = Calibration({}, {"age": 0.1}, 100, by_group=fit_by_group(p, age, ("gender",)))
    return dataclasses.asdict(fitted)


CLASSES = {"age": 101, "gender": 2}


def test_it_is_read_as_it_was_saved(saved):
    read = Calibration.from_json(json.loads(json.dumps(saved)), CLASSES)
    assert dataclasses.asdict(read) == saved
    old = {key: of for key, of in saved.items() if key != "by_group"}
    assert Calibration.from_json(old, CLASSES).by_group == {}
    assert read.of_tasks(["age", "gender"]) == read


ODD = [
    lambda of: of.update(by_group=3),
    lambda of: of.update(by_group={"gender": {}}),
    lambda of: of.update(by_group={"age": None}),
    lambda of: of.update(widening={}),
    lambda of: of["by_group"]["age"].update(by="gender"),
    lambda of: of["by_group"]["age"].update(by=["race"]),
    lambda of: of["by_group"]["age"].update(by=["gender", "age"]),
    lambda of: of["by_group"]["age"].update(by=[["gender"]]),
    lambda of: of["by_group"]["age"].update(groups=[]),
    lambda of: of["by_group"]["age"]["groups"].pop("F"),
    lambda of: of["by_group"]["age"]["groups"].update(F=1),
    lambda of: of["by_group"]["age"]["groups"]["F"].update(n=-1),
    lambda of: of["by_group"]["age"]["groups"]["F"].update(n=8),
    lambda of: of["by_group"]["age"]["groups"]["F"].update(widening=None),
    lambda of: of["by_group"]["age"]["groups"]["F"].update(widening=float("nan")),
    lambda of: of["by_group"]["age"]["groups"]["F"].update(widening="1"),
]


@pytest.mark.parametrize("change", ODD)
def test_what_no_fit_gives_is_refused(saved, change):
    odd = copy.deepcopy(saved)
    change(odd)
    with pytest.raises(ValueError, match="group|by"):
        Calibration.from_json(odd, CLASSES)


def test_groups_by_gender_take_two_classes(saved):
    with pytest.raises(ValueError, match="gender"):
        Calibration.from_json(saved, {"age": 101, "gender": 3})
