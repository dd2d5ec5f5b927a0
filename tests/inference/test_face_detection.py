"""Faces found in painted and, where they are at hand, real photos."""

import tarfile

import numpy as np
import pytest

from agejax.data.crop_margin import margins_of
from agejax.data.decode import photo
from agejax.data.face_detection import Box, Detector
from agejax.errors import UserError
from agejax.inference.face_crop import crop
from tests.photos import PLACES, backdrop, group_photo


@pytest.fixture(scope="module")
def detector():
    try:
        return Detector()
    except UserError:
        pytest.skip("needs the extra 'detect'")


def middles(boxes):
    return np.array([(box.x + box.width / 2, box.y + box.height / 2) for box in boxes])


def test_every_face_of_a_photo_is_found_from_left_to_right(detector):
    found = detector.find(np.asarray(group_photo()))
    expected = [(left + 0.51 * side, top + 0.58 * side) for left, top, side in PLACES]
    assert len(found) == 3
    for middle, place, (_, _, side) in zip(middles(found), expected, PLACES, strict=True):
        assert np.abs(middle - place).max() < 0.12 * side


def test_boxes_are_in_the_pixels_of_the_photo_that_was_given(detector):
    image = group_photo()
    large = detector.find(np.asarray(image.resize((2700, 1800))))
    small = detector.find(np.asarray(image))
    np.testing.assert_allclose(middles(large) / 3, middles(small), atol=12)


@pytest.mark.parametrize("shape", [(1, 1), (5, 900), (900, 5), (12, 12), (600, 900)])
def test_where_there_is_no_face_none_is_found(detector, shape):
    assert detector.find(np.asarray(backdrop(*shape[::-1]))) == []
    assert detector.find(np.zeros((*shape, 3), np.uint8)) == []


def test_noise_and_tiles_are_searched_in_bounded_time(detector):
    face = np.asarray(group_photo())[60:280, 30:250]
    tiles = np.tile(face[::6, ::6], (16, 25, 1))
    assert len(detector.find(tiles)) <= 400
    detector.find(np.random.default_rng(0).integers(0, 256, (700, 900, 3), np.uint8))


def test_threads_find_the_same(detector):
    from concurrent.futures import ThreadPoolExecutor

    pixels = np.asarray(group_photo())
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(detector.find, [pixels] * 6))
    assert all(boxes == found[0] for boxes in found)


def test_a_crop_is_the_square_around_the_face_with_its_margin():
    pixels = np.arange(100 * 200 * 3).reshape(100, 200, 3).astype(np.uint8)
    box = Box(80, 40, 10, 20)
    assert crop(pixels, box, 0.0, 20).shape == (20, 20, 3)
    np.testing.assert_array_equal(crop(pixels, box, 0.4, 36), pixels[32:68, 67:103])


def test_past_the_edge_the_last_pixels_are_repeated():
    pixels = np.zeros((50, 50, 3), np.uint8)
    pixels[0], pixels[-1] = 200, 100
    cut = crop(pixels, Box(-10, -10, 70, 70), 0.0, 70)
    assert cut.shape == (70, 70, 3)
    assert (cut[:11] == 200).all()
    assert (cut[-11:] == 100).all()


def test_the_margin_of_a_data_set_is_measured(detector):
    def faces(extra):
        for left, top, side in PLACES:
            beyond = round(side * extra)
            pixels = np.asarray(group_photo().crop((left, top, left + side, top + side)))
            yield np.pad(pixels, ((beyond, beyond), (beyond, beyond), (0, 0)), mode="edge")

    tight, wide = (np.median(margins_of(detector, faces(extra))) for extra in (0.0, 0.3))
    assert len(margins_of(detector, faces(0.0))) >= 2
    assert 0.2 < tight < 0.5  # painted faces show shoulders
    assert 0.35 < wide - tight < 0.65  # 0.3 of a side that is about 1.7 faces
    assert margins_of(detector, [np.zeros((40, 40, 3), np.uint8)]) == []


def test_without_the_extra_one_line_says_what_to_install(monkeypatch):
    import importlib.util

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"pip install 'agejax\[detect\]'"):
        Detector()


def test_real_faces_pasted_into_a_photo_are_found(detector, shared):
    with tarfile.open(shared / "imdb_crop.tar") as tar:
        jpegs = []
        for member in tar:
            if member.isfile() and member.size > 6000 and member.name.endswith(".jpg"):
                jpegs.append(tar.extractfile(member).read())
                if len(jpegs) == 30:
                    break
    found = 0
    for start in range(0, 30, 3):
        pixels = np.asarray(backdrop()).copy()
        for jpeg, (left, top, _) in zip(jpegs[start : start + 3], PLACES, strict=True):
            face = photo(jpeg, 200)[:200, :200]
            pixels[top : top + face.shape[0], left : left + face.shape[1]] = face
        found += len(detector.find(pixels))
    assert 27 <= found <= 31
