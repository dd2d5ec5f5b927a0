import jax.numpy as jnp
import numpy as np
import pytest

from agejax.losses.balance import inverse, logit_offset, smoothed_inverse
from agejax.losses.row_losses import counted, multitask_loss
from agejax.metrics.calibration import tempered

COUNTS = np.array([0, 1, 10, 100, 500, 2000, 0, 0, 0, 0, 0, 0, 40])


@pytest.mark.parametrize("balance", [inverse, smoothed_inverse])
@pytest.mark.parametrize("power", [0.5, 1.0])
def test_the_mean_over_the_faces_is_one(balance, power):
    w = balance(COUNTS, power=power)
    assert w.shape == COUNTS.shape
    assert (w * COUNTS).sum() == pytest.approx(COUNTS.sum())
    assert np.isfinite(w).all()
    assert (w[COUNTS == 0] == 0).all()
    assert (w[COUNTS > 0] > 0).all()


def test_the_inverse_and_its_limits():
    w = inverse(COUNTS)
    assert w[2] / w[3] == pytest.approx(10)
    assert w[1] / w[2] == pytest.approx(2)  # one face is taken for five
    assert w[4] / w[5] == pytest.approx(2)  # and 2,000 for 1,000
    root = inverse(COUNTS, power=0.5, least=1, most=np.inf)
    assert root[1] / root[5] == pytest.approx(2000**0.5)


def test_even_counts_weigh_alike():
    np.testing.assert_allclose(inverse(np.full(7, 30)), 1)
    inner = smoothed_inverse(np.full(30, 30))[4:-4]
    np.testing.assert_allclose(inner, inner[0])


def test_smoothing_is_a_convolution_of_the_roots():
    kernel = np.exp(-(np.arange(-2, 3) ** 2) / (2 * 2.0**2))
    root = np.pad(np.sqrt(COUNTS), 2)
    density = np.array([(root[i : i + 5] * kernel).sum() for i in range(len(COUNTS))])
    w, seen = smoothed_inverse(COUNTS), COUNTS > 0
    np.testing.assert_allclose((w * density)[seen], (w * density)[1])


def test_a_rare_age_among_common_ones_weighs_less_when_smoothed():
    counts = np.full(50, 400)
    counts[20] = 1
    rare = lambda w: w[20] / w[30]
    assert rare(smoothed_inverse(counts)) < 2 < rare(inverse(counts, power=0.5))


@pytest.mark.parametrize("size", [0, 4])
def test_a_kernel_without_a_middle(size):
    with pytest.raises(ValueError, match="must be odd"):
        smoothed_inverse(COUNTS, kernel_size=size)


@pytest.mark.parametrize("balance", [inverse, smoothed_inverse])
def test_nobody_to_balance(balance):
    with pytest.raises(ValueError, match="no class has a face"):
        balance(np.zeros(5, int))


def test_rows_weigh_as_their_class_and_unknown_labels_do_not_count():
    label = np.array([0, 1, 2, 2, 1, 0], np.int32)
    known = np.array([True, True, True, False, True, True])
    mask = np.array([True, True, True, True, True, False])
    batch = {"image": None, "labels": {"age": label}, "known": {"age": known}, "mask": mask}
    weights = np.array([0.5, 1.0, 4.0])
    rows = jnp.arange(1.0, 7.0)
    counts = {task: x.sum() for task, x in counted(batch).items()}
    got = multitask_loss(
        {"age": jnp.zeros((6, 3))},
        batch,
        {"age": 1.0},
        counts,
        losses={"age": lambda logits, label: rows},
        class_weights={"age": weights},
    )
    assert float(got) == pytest.approx((0.5 * 1 + 1 * 2 + 4 * 3 + 1 * 5) / 4)


def test_full_adjustment_takes_the_training_shares_away():
    counts = np.array([1, 10, 100, 1000])
    shares = counts / counts.sum()
    np.testing.assert_allclose(tempered(shares, 1.0, logit_offset(counts, 1.0)), 0.25)
    half = tempered(shares, 1.0, logit_offset(counts, 0.5))
    np.testing.assert_allclose(half, shares**0.5 / (shares**0.5).sum())
    np.testing.assert_array_equal(logit_offset(counts, 0.0), 0)


def test_adjustment_is_smoothed_without_an_edge():
    np.testing.assert_allclose(logit_offset(np.full(101, 7), 1.0, sigma=3.0), 0, atol=1e-12)
    lonely = np.full(101, 1000)
    lonely[40] = 0
    assert logit_offset(lonely, 1.0)[40] == pytest.approx(np.log(1000))
    assert logit_offset(lonely, 1.0, sigma=3.0)[40] < 0.2
    nobody = logit_offset(np.array([0, 0, 5]), 1.0)
    assert np.isfinite(nobody).all()
