import jax
import jax.numpy as jnp
import numpy as np
import pytest

from agejax.config import label_counts, tasks
from agejax.losses import ranges
from agejax.losses.balance import inverse
from agejax.losses.row_losses import cross_entropy, l1, label_distribution, multitask_loss, ordinal
from agejax.metrics.calibration import fit
from agejax.metrics.masked_sums import compute, metric_sums
from agejax.models.heads import Coral, Regression
from tests import synthetic

pytestmark = pytest.mark.usefixtures("quick_compilation")

LOGITS = jnp.asarray(2 * np.random.default_rng(0).normal(size=(4, 101)), jnp.float32)
FIRST, LAST = jnp.array([0, 20, 25, 70]), jnp.array([100, 29, 25, 100])


def test_the_likelihood_is_of_the_whole_range():
    p = jax.nn.softmax(LOGITS)
    loss = ranges.likelihood(LOGITS, FIRST, LAST)
    for i in range(4):
        inside = p[i, FIRST[i] : LAST[i] + 1].sum()
        assert float(loss[i]) == pytest.approx(float(-jnp.log(inside)), abs=1e-5)
    assert float(loss[0]) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize(
    ("of_range", "exact", "width"),
    [
        (ranges.likelihood, cross_entropy, 101),
        (ranges.ordinal, ordinal, 100),
        (ranges.distance, l1, 1),
    ],
)
def test_a_range_of_one_class_is_that_class(of_range, exact, width):
    logits = LOGITS[:, :width] * 20
    np.testing.assert_allclose(of_range(logits, LAST, LAST), exact(logits, LAST), rtol=1e-5)


def test_nothing_pulls_towards_the_middle_of_a_range():
    flat = jnp.zeros((1, 101))
    gradient = jax.grad(lambda x: ranges.likelihood(x, FIRST[1:2], LAST[1:2])[0])(flat)[0]
    np.testing.assert_allclose(gradient[20:30], gradient[20], rtol=1e-5)
    assert (gradient[20:30] < 0).all()
    assert (gradient[:20] > 0).all()
    years = jnp.array([[25.0], [31.0], [3.0]])
    off = ranges.distance(years, jnp.full(3, 20), jnp.full(3, 29))
    np.testing.assert_allclose(off, [0, 2, 17])


def batch(upto=None, **of):
    n = len(FIRST)
    one = {
        "image": None,
        "labels": {"age": FIRST},
        "known": {"age": jnp.ones(n, bool)},
        "mask": jnp.ones(n, bool),
    }
    return one | ({} if upto is None else {"upto": {"age": upto}}) | of


@pytest.mark.parametrize(
    "task",
    [
        tasks.Task(101),
        tasks.Task(101, loss=label_distribution),
        tasks.Task(101, head=Coral, loss=ordinal),
        tasks.Task(101, head=Regression, loss=l1),
    ],
)
def test_a_batch_of_exact_labels_has_the_loss_that_it_always_had(task):
    width = {Coral: 100, Regression: 1}.get(task.head, 101)
    logits = {"age": LOGITS[:, :width]}
    loss = lambda of: multitask_loss(
        logits, of, {"age": 1.0}, {"age": 4}, losses={"age": task.row_loss}
    )
    assert float(loss(batch(FIRST))) == float(loss(batch()))
    assert float(loss(batch(LAST))) < float(loss(batch()))


def test_balance_counts_a_range_in_equal_parts_and_weighs_it_by_their_mean():
    labels, last = np.array([0, 0, 1]), np.array([0, 1, 1])
    task = tasks.Task(3, balance=inverse, balance_args={"least": 0.1})
    given = {"labels": {"age": labels}, "known": {"age": np.ones(3, bool)}}
    weights = label_counts.class_weights({"age": task}, **given, upto={"age": last})["age"]
    np.testing.assert_allclose(weights, [1, 1, 0], atol=1e-6)
    uneven = {"age": np.array([0.5, 2.0, 0.0], np.float32)}
    rows = batch(jnp.array(last), labels={"age": jnp.array(labels)})
    rows |= {"known": {"age": jnp.ones(3, bool)}, "mask": jnp.ones(3, bool)}
    of = lambda weights: float(
        multitask_loss(
            {"age": jnp.zeros((3, 3))},
            rows,
            {"age": 1.0},
            {"age": 3},
            losses={"age": task.row_loss},
            class_weights=weights,
        )
    )
    each = np.log([3, 3 / 2, 3])
    assert of(uneven) == pytest.approx((each * [0.5, 1.25, 2.0]).sum() / 3, rel=1e-5)


@pytest.mark.parametrize("xp", [np, jnp])
def test_errors_are_the_distance_to_the_range(xp):
    p = xp.asarray(np.eye(101, dtype=np.float32)[[40, 25, 12, 30]])
    first, last = (xp.asarray(x, xp.int32) for x in ([20, 20, 20, 30], [29, 29, 29, 30]))
    sums = metric_sums({"age": p}, {"age": first}, {"age": xp.ones(4)}, upto={"age": last})
    age = compute(sums)["age"]
    assert age["mae"]["median"] == pytest.approx((11 + 0 + 8 + 0) / 4, abs=1e-5)
    assert age["accuracy"] == 0.5
    assert age["cs5"] == 0.5


def test_ranges_determine_the_temperature_like_exact_ages():
    p, age = synthetic.faces(3000, sharpened=2.0, seed=3)
    decade = age // 10 * 10
    known = {"age": np.ones(3000, bool)}
    ours = fit({"age": p}, {"age": decade}, known, upto={"age": np.minimum(decade + 9, 100)})
    assert ours.temperature["age"] == pytest.approx(2, rel=0.15)


def test_a_loss_that_knows_no_ranges_is_told_before_training():
    from agejax.errors import UserError

    plain = tasks.Task(101, loss=jnp.subtract)
    with pytest.raises(UserError, match="knows no labels that are ranges"):
        tasks.check_faces({"age": plain}, {"age": np.ones(3, bool)}, {"age": np.ones(3, int)})
