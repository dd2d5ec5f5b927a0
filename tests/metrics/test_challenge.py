"""The bound of a challenge age holds for any number of faces, and is not needlessly wide."""

import json

import numpy as np
import pytest
from scipy.stats import binom

from agejax.metrics.calibration import Calibration
from agejax.metrics.challenge import fewest_faces, fit_challenge, limits, most_passing
from tests import synthetic

YEARS = np.arange(18, 101)


@pytest.fixture(scope="module")
def people():
    """A population under 18: what each is read as, and P(age >= 18). Many values are ties."""
    rng = np.random.default_rng(5)
    read = np.clip(np.round(rng.normal(14, 5, 40_000) + rng.exponential(2, 40_000)), 0, 100)
    return read.astype(int), np.clip((read - 8) / 40 + rng.normal(0, 0.1, 40_000), 0, 1)


@pytest.mark.parametrize(
    ("n", "pass_under"),
    [(20, 0.05), (20, 0.2), (60, 0.05), (299, 0.01), (600, 0.01), (2000, 0.01), (2000, 0.05)],
)
def test_the_promised_share_is_kept_in_the_promised_share_of_draws(people, n, pass_under):
    read, probability = people
    rng = np.random.default_rng(n)
    kept = {"age": [], "probability": []}
    for _ in range(1000):
        rows = rng.integers(len(read), size=n)
        of = limits(read[rows], probability[rows], YEARS, pass_under, 0.95)
        for name, score in (("age", read), ("probability", probability)):
            kept[name].append(0.0 if of[name] is None else (score >= of[name]).mean())
    for shares in kept.values():
        broken = (np.array(shares) > pass_under).sum()
        assert broken <= binom.ppf(0.999, 1000, 0.05)  # of 1,000 draws: 72
        if most_passing(n, pass_under, 0.95) >= 5:  # and is no promise that nobody could break
            assert np.mean(shares) > pass_under / 4


def test_the_best_quantile_of_the_faces_would_not_keep_it(people):
    read, probability = people
    rng, broken = np.random.default_rng(0), 0
    for _ in range(300):
        rows = rng.integers(len(read), size=300)
        broken += (probability >= np.quantile(probability[rows], 0.99)).mean() > 0.01
    assert broken > 60


@pytest.mark.parametrize("pass_under", [0.001, 0.01, 0.2])
@pytest.mark.parametrize("n", [1, 20, 298, 299, 5000])
def test_as_many_may_pass_as_the_binomial_allows(n, pass_under):
    most = most_passing(n, pass_under, 0.95)
    assert most == -1 or binom.cdf(most, n, pass_under) <= 0.05
    assert binom.cdf(most + 1, n, pass_under) > 0.05
    assert (most >= 0) == (n >= fewest_faces(pass_under, 0.95))


def test_limits_are_the_lowest_and_widen_with_fewer_faces():
    p, age = synthetic.faces(6000, seed=3)
    under = p[age < 18]
    found = [fit_challenge(under[:n], 18, 0.05) for n in (60, 200, len(under))]
    assert found[0]["age"] >= found[1]["age"] >= found[2]["age"] >= 18
    assert found[0]["probability"] >= found[1]["probability"] >= found[2]["probability"]
    of = found[2]
    assert of["passed_age"] <= most_passing(of["n"], 0.05, 0.95)
    nobody = fit_challenge(under[:58], 18, 0.05)
    assert (nobody["age"], nobody["probability"], nobody["passed_age"]) == (None, None, 0)


def saved(**changes):
    of = fit_challenge(np.eye(101)[[5] * 100], 18, 0.05)
    return {"challenge": {"18": of | changes}}


def test_limits_survive_being_written_down():
    text = json.dumps(saved())
    found = Calibration.from_json(json.loads(text), {"age": 101})
    assert found.thresholds == (18,)
    assert found.challenge["18"]["age"] == 18
    assert Calibration.from_json({}, {"age": 101}).challenge == {}


@pytest.mark.parametrize(
    "odd",
    [
        {"challenge": [18]},
        {"challenge": {"18": 25}},
        {"challenge": {"18": {}}},
        {"challenge": {"0": saved()["challenge"]["18"]}},
        {"challenge": {"x" * 9999: saved()["challenge"]["18"]}},
        saved(age=17),
        saved(age=101),
        saved(age=True),
        saved(probability=1.5),
        saved(probability=float("nan")),
        saved(pass_under=0.0),
        saved(confidence=float("nan")),
        saved(n=-1),
        saved(n=2**70),
        saved(more=1),
    ],
)
def test_what_cannot_have_been_fitted_is_refused(odd):
    with pytest.raises(ValueError, match="challenge") as error:
        Calibration.from_json(odd, {"age": 101})
    assert len(str(error.value)) < 200
