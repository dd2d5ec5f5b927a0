import jax
import numpy as np
import pytest

from agejax.steps import augment as views
from agejax.steps.augment import augment, mixup

pytestmark = pytest.mark.usefixtures("quick_compilation")

KEY = jax.random.key(3)


def images(n=32, size=16):
    return np.random.default_rng(0).integers(0, 256, (n, size, size, 3), np.uint8)


def test_nothing_asked_is_nothing_done():
    np.testing.assert_array_equal(augment(KEY, images(), flip=False), images())


@pytest.mark.parametrize("shift", [0.0, 1e-9])  # the plain flip, and the one by resampling
def test_about_half_are_mirrored_exactly(shift):
    x, y = images(64), augment(KEY, images(64), flip=True, shift=shift)
    same = np.array([np.allclose(a, b, atol=1e-2) for a, b in zip(x, y, strict=True)])
    mirrored = np.array([np.allclose(a[:, ::-1], b, atol=1e-2) for a, b in zip(x, y, strict=True)])
    assert (same ^ mirrored).all()
    assert 16 < mirrored.sum() < 48


def test_a_move_is_a_move_and_repeats_the_border():
    x = np.zeros((64, 16, 16, 3), np.uint8)
    x[:, 8, 8] = 255
    y = np.asarray(augment(KEY, x, flip=False, shift=0.25))
    rows, columns = y.sum((2, 3)), y.sum((1, 3))
    centre = lambda v: (v * np.arange(16)).sum(1) / v.sum(1)
    for moved in (centre(rows) - 8, centre(columns) - 8):
        assert np.abs(moved).max() <= 4
        assert moved.min() < -2
        assert moved.max() > 2
    flat = np.full((4, 8, 8, 3), 77, np.uint8)
    moved = augment(KEY, flat, shift=0.5, zoom=0.5)
    np.testing.assert_allclose(moved, flat, atol=1e-3)


def test_light_changes_stay_within_bounds():
    y = np.asarray(augment(KEY, images(), flip=False, brightness=0.2, contrast=0.3))
    assert y.min() >= 0
    assert y.max() <= 255
    flat = np.full((64, 4, 4, 3), 100, np.uint8)
    offsets = np.asarray(augment(KEY, flat, flip=False, brightness=0.1))[:, 0, 0, 0] - 100
    assert 15 < np.abs(offsets).max() <= 25.5


def test_stretching_changes_width_against_height():
    x = np.zeros((64, 32, 32, 3), np.uint8)
    x[:, 8:24, 8:24] = 255
    y = np.asarray(augment(KEY, x, flip=False, stretch=0.5))[..., 0] > 127
    ratio = y.any(1).sum(1) / y.any(2).sum(1)
    assert ratio.min() < 0.8
    assert ratio.max() > 1.2


def test_saturation_moves_colours_and_leaves_grey_alone():
    grey = np.repeat(images()[..., :1], 3, -1)
    np.testing.assert_allclose(augment(KEY, grey, flip=False, saturation=0.5), grey, atol=1e-3)
    x, y = images().astype(float), np.asarray(augment(KEY, images(), flip=False, saturation=0.5))
    spread = y.std(-1).mean((1, 2)) / x.std(-1).mean((1, 2))
    assert spread.min() < 0.8
    assert spread.max() > 1.1


def test_cutout_covers_a_square():
    x = np.full((64, 20, 20, 3), 10, np.uint8)
    covered = np.asarray(augment(KEY, x, flip=False, cutout=0.5))[..., 0] == 127.5
    size = covered.sum((1, 2))
    assert size.max() == 100
    assert size.min() >= 25  # a centre in a corner
    np.testing.assert_array_equal(size, covered.any(1).sum(1) * covered.any(2).sum(1))


def test_it_is_a_pure_function_of_the_key():
    options = {"shift": 0.1, "zoom": 0.1, "brightness": 0.1, "contrast": 0.1, "cutout": 0.2}
    a, b = (augment(KEY, images(), **options) for _ in range(2))
    np.testing.assert_array_equal(a, b)
    assert (a != augment(jax.random.key(4), images(), **options)).any()


def centred_square(n=64, size=32):
    x = np.zeros((n, size, size, 3), np.uint8)
    x[:, 12:20, 12:20] = 255
    return x


def test_a_crop_is_cut_or_padded_evenly_for_some_images():
    y = np.asarray(augment(KEY, centred_square(256), flip=False, crop=0.3, crop_share=0.5))
    width = np.sqrt(y[..., 0].sum((1, 2)) / 255)  # of the square, 8 before
    changed = abs(width - 8) > 0.1
    assert 0.35 < changed.mean() < 0.6
    assert 8 / 1.6 - 0.1 < width.min() < 6
    assert 16 < width.max() < 8 / 0.4 + 0.1
    centre = (y[..., 0].sum(1) * np.arange(32)).sum(1) / y[..., 0].sum((1, 2))
    np.testing.assert_allclose(centre, 15.5, atol=0.05)


def test_crops_are_padded_less_than_cut_where_that_is_asked_for():
    view = {"flip": False, "crop": 0.3, "crop_share": 1.0, "pad": 0.1}
    y = np.asarray(augment(KEY, centred_square(256), **view))
    width = np.sqrt(y[..., 0].sum((1, 2)) / 255)
    assert 8 / 1.2 - 0.1 < width.min() < 7.5
    assert 16 < width.max() < 8 / 0.4 + 0.1


def test_a_smaller_size_is_the_mean_of_what_it_covers():
    x = images(4, size=16)
    y = augment(KEY, x, size=8, flip=False)
    assert y.shape == (4, 8, 8, 3)
    np.testing.assert_allclose(np.mean(y), x.mean(), atol=2)
    stripes = np.zeros((1, 16, 16, 3), np.uint8)
    stripes[:, ::2] = 200  # finer than 4 pixels can show: grey, and no moire
    np.testing.assert_allclose(augment(KEY, stripes, size=4, flip=False)[:, 1:-1], 100, atol=13)


def test_mixing_fades_each_image_into_the_one_before():
    x = images(64).astype(np.float32)
    y, kept = mixup(KEY, x, alpha=0.4)
    kept = np.asarray(kept)
    assert (kept >= 0.5).all()
    assert (kept <= 1).all()
    assert kept.std() > 0.05
    own = kept[:, None, None, None]
    np.testing.assert_allclose(y, own * x + (1 - own) * np.roll(x, 1, 0), rtol=1e-4)


def test_a_mirror_image_is_exact_and_one_from_closer_by_is_its_enlarged_middle():
    x = images(4)
    np.testing.assert_array_equal(views.mirrored(x), x[:, :, ::-1])
    ramp = np.tile(np.arange(64, dtype=np.uint8) * 3, (1, 64, 1))[..., None].repeat(3, 3)
    closer = np.asarray(views.mirrored(ramp, cut=0.25)).astype(int)
    assert closer.shape == ramp.shape
    centre = (np.arange(64) + 0.5) / 64 - 0.5
    expected = ((-centre * 0.5 + 0.5) * 64 - 0.5) * 3  # half the ramp, the other way
    assert np.abs(closer - expected[None, None, :, None]).max() <= 1
