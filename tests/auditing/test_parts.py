import numpy as np

from agejax.auditing.duplicates import same_images
from agejax.auditing.folds import assign_folds
from agejax.auditing.labels import Labels, mass
from agejax.auditing.noise import Noise, fit_noise
from agejax.auditing.suspicion import p_wrong, with_same_image
from tests import synthetic


def test_no_person_and_no_image_crosses_folds():
    rng = np.random.default_rng(0)
    person = np.array([f"p{k}" if k else "" for k in rng.integers(0, 60, 400)])
    image = rng.integers(0, 350, 400).astype(str)
    fold = assign_folds(person, image)
    for key in (person, image):
        for value in set(key.tolist()) - {""}:
            assert len(set(fold[key == value].tolist())) == 1
    order = rng.permutation(400)
    np.testing.assert_array_equal(assign_folds(person[order], image[order]), fold[order])
    alone = assign_folds(None, np.arange(100).astype(str))
    assert np.bincount(alone).tolist() == [20] * 5


def test_the_share_of_wrong_labels_is_estimated_and_honest():
    p, label = synthetic.faces(4000)
    rng = np.random.default_rng(1)
    bad = rng.random(len(label)) < 0.2
    label = np.where(bad, rng.integers(0, 101, len(label)), label).astype(np.int64)
    every, flat = np.ones(len(label), bool), np.full(101, 1 / 101)
    labels = Labels(label, label, every, flat, flat)
    noise = fit_noise(p, labels)
    assert abs(noise.rate - 0.2) < 0.03
    assert abs(np.log(noise.temperature)) < 0.15
    wrong = p_wrong(p, labels, noise, np.zeros(len(label)))
    sure = wrong > 0.8
    assert abs(bad[sure].mean() - wrong[sure].mean()) < 0.05


def test_a_rare_label_is_not_wrong_because_it_is_rare():
    """Two faces read alike, of which one is of an age that few have."""
    p = np.zeros((2, 101))
    p[0, 25], p[0, 60] = 0.1, 0.9
    p[1, 85], p[1, 60] = 0.1, 0.9
    common = np.full(101, 0.1 / 100)
    common[25] = 0.9
    label = np.array([25, 85])
    labels = Labels(label, label, np.ones(2, bool), common, (common + 1 / 101) / 2)
    often, rare = p_wrong(p, labels, Noise(0.1, 1.0), np.zeros(2))
    assert rare < often


def test_the_mass_of_ranges():
    p = np.full((3, 101), 1 / 101)
    found = mass(p, np.array([0, 20, 99]), np.array([100, 29, 99]))
    np.testing.assert_allclose(found, [1, 10 / 101, 1 / 101])
    np.testing.assert_allclose(mass(p[0], np.array([0, 5]), np.array([9, 5])), [10 / 101, 1 / 101])


def test_images_that_are_saved_again_are_the_same():
    rng = np.random.default_rng(0)
    small = rng.integers(0, 256, (80, 16, 16)).astype(np.uint8)
    trunk = rng.normal(size=(80, 8)).astype(np.float32)
    small[70] = np.clip(small[3].astype(int) + rng.integers(-3, 4, (16, 16)), 0, 255)
    trunk[70] = trunk[3] + 0.01
    small[71] = small[4]  # alike in grey, and of other features
    small[5:7] = 128  # flat, and not the same
    sha256 = np.array([f"{i:02}" for i in range(80)])
    sha256[60] = sha256[9]
    image = same_images(sha256, small, trunk)
    assert image[70] == image[3]
    assert image[60] == image[9]
    assert len(np.unique(image)) == 78


def test_copies_of_a_label_count_once():
    p = np.full((4, 101), 1 / 101)
    label, every = np.array([30, 40, 40, 40]), np.ones(4, bool)
    flat = np.full(101, 1 / 101)
    labels, image = Labels(label, label, every, flat, flat), np.zeros(4, int)
    wrong = lambda person: p_wrong(
        with_same_image(p, labels, Noise(0.1, 1.0), image, np.array(person)),
        labels,
        Noise(0.1, 1.0),
        np.zeros(4),
    )
    copies, apart = wrong([0, 1, 1, 1]), wrong([0, 1, 2, 3])
    np.testing.assert_allclose(copies[0], copies[1])
    assert apart[0] > copies[0]
    assert apart[1] < 0.1 < apart[0]
