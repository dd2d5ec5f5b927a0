"""Faces in photos that are turned, at the border, small, or next to level ones."""

import numpy as np
import pytest

from agejax.data.face_alignment import fitted, turned, with_edges
from agejax.data.face_detection import Box, Detector
from agejax.errors import UserError
from agejax.inference.face_crop import crop
from tests.photos import backdrop, tilted_photo


@pytest.fixture(scope="module")
def detector():
    try:
        return Detector()
    except UserError:
        pytest.skip("needs the extra 'detect'")


@pytest.fixture(scope="module")
def level(detector):
    photo = np.asarray(tilted_photo(0))
    [box] = detector.find(photo)
    return photo, box


@pytest.mark.parametrize("roll", [-60, -45, -30, -15, 15, 30, 45, 60])
def test_a_turned_face_is_cut_as_the_level_one(detector, level, roll):
    photo, upright = level
    turned_photo = np.asarray(tilted_photo(roll))
    [box] = detector.find(turned_photo)
    assert box.roll - upright.roll == pytest.approx(roll, abs=7)
    assert box.square[1] == pytest.approx(upright.square[1], rel=0.1)
    ours, expected = (crop(*args, 0.0, 32).astype(int) for args in ((turned_photo, box), level))
    plain = Box(box.x, box.y, box.width, box.height)
    unlevelled = crop(turned_photo, plain, 0.0, 32).astype(int)
    assert np.abs(ours - expected).mean() < 0.6 * np.abs(unlevelled - expected).mean()


def test_a_level_face_is_not_interpolated_twice(level):
    photo, box = level
    assert abs(box.roll) < 10
    (x, y), side, _ = box.square
    side = round(side)
    left, top = round(x - side / 2), round(y - side / 2)
    np.testing.assert_array_equal(
        crop(photo, box, 0.0, side), photo[top : top + side, left : left + side]
    )


def test_a_face_at_the_border_is_levelled_and_its_last_pixels_repeated(detector):
    photo = np.asarray(tilted_photo(30, middle=(90, 90)))
    [box] = detector.find(photo)
    assert box.roll == pytest.approx(30, abs=8)
    cut = crop(photo, box, 0.5, 64)
    assert cut.shape == (64, 64, 3)
    assert cut.min() > 0  # nothing is black beyond the edge


def test_several_faces_keep_their_own_roll(detector):
    photo = np.concatenate([np.asarray(tilted_photo(roll)) for roll in (-25, 0, 25)], 1)
    found = detector.find(photo)
    assert [round(box.roll / 25) for box in found] == [-1, 0, 1]


def test_a_small_face_is_found(detector):
    [box] = detector.find(np.asarray(tilted_photo(20, side=56)))
    assert box.roll == pytest.approx(20, abs=10)


def test_boxes_without_plausible_landmarks_are_cut_by_the_box():
    far = ((0.0, 0.0), (900.0, 0.0), (450.0, 500.0), (0.0, 900.0), (900.0, 900.0))
    for landmarks in ((), far, ((5.0, 5.0),) * 5):
        box = Box(10, 20, 30, 40, landmarks=landmarks)
        assert (box.square, box.roll) == (((25, 40), 40, 0), 0)


def test_a_scaled_box_has_a_scaled_square(level):
    _, box = level
    (x, y), side, roll = box.square
    np.testing.assert_allclose(
        [*box.scaled(3).square[0], *box.scaled(3).square[1:]], [3 * x, 3 * y, 3 * side, roll]
    )


def test_the_fit_undoes_a_similarity():
    level = np.random.default_rng(0).uniform(0, 100, (1, 5, 2))
    centre, [side], [roll] = fitted(level)
    angle = np.radians(50)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    moved, [larger], [rolled] = fitted(2 * level @ turn + [7, 9])
    np.testing.assert_allclose(moved, 2 * centre @ turn + [7, 9])
    assert larger == pytest.approx(2 * side)
    assert (rolled - roll) % 360 == pytest.approx(50)


def test_a_quarter_turn_moves_pixels_exactly():
    pixels = np.asarray(backdrop(90, 70))
    square = turned(pixels, (40, 30), 20, 90, 20, with_edges)
    expected = np.rot90(pixels[20:40, 30:50])
    assert np.abs(square.astype(int) - expected).max() <= 1
