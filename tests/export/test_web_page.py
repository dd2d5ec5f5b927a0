"""The page's own files in a browser, as they stand in the package, without a model or a runtime."""

import io
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import simplejpeg
from playwright.sync_api import expect

import agejax.exporters
from agejax.data.face_alignment import on_black, turned, with_edges
from tests.browser import served
from tfds_imdb_wiki.paint.face import paint_face

FOLDER = Path(agejax.exporters.__file__).parent / "page"


@pytest.fixture(scope="module")
def page(browser):
    with served(FOLDER) as (url, _), browser.new_page() as page:
        page.goto(url)
        yield page


def test_without_a_model_it_says_so_of_every_photo(page):
    expect(page.get_by_role("status")).to_contain_text("The model could not be loaded")
    photos = [{"name": f"{i}.png", "mimeType": "image/png", "buffer": b""} for i in range(2)]
    page.locator("#intake").drop({"files": photos})
    for photo in photos:
        told = page.get_by_text(f"{photo['name']}: the model could not be loaded")
        expect(told).to_be_visible()


def test_opened_as_a_file_it_says_that_it_needs_a_server(browser):
    with browser.new_page() as page:
        page.goto((FOLDER / "index.html").as_uri())
        expect(page.get_by_text("This page needs JavaScript and a web server")).to_be_visible()


def test_no_label_of_a_face_is_cut_off(page):
    at_edges = [(x, y, 0.04, 0.1) for x in (0, 0.48, 0.96) for y in (0, 0.45, 0.9)]
    boxes = [*at_edges, (-0.1, -0.1, 1.2, 1.2)]
    spans = page.evaluate(
        """async (boxes) => {
            const { labels } = await import("./cards.js")
            const faces = boxes.map(([x, y, width, height]) =>
                ({ age: 100, gender_probabilities: [0, 1], box: { x, y, width, height } }))
            const marks = document.createElement("div"), picture = document.createElement("div")
            marks.className = "boxes"
            marks.append(...labels(faces))
            picture.className = "picture"
            Object.assign(picture.style, { width: "320px", height: "240px" })
            picture.append(marks)
            document.querySelector("main").append(picture)
            const { left, top } = picture.getBoundingClientRect()
            return [...marks.querySelectorAll("span")].map((span) => {
                const box = span.getBoundingClientRect()
                return [box.left - left, box.top - top, box.right - left, box.bottom - top]
            })
        }""",
        boxes,
    )
    assert len(spans) == len(boxes)
    for left, top, right, bottom in spans:
        assert min(left, top) >= -2  # the width of the box's border
        assert right <= 322
        assert bottom <= 242


def in_the_page(page, pixels, expression):
    """The image that an expression of pixels.js gives for `image`."""
    height, width = pixels.shape[:2]
    image = {"width": width, "height": height, "data": pixels.reshape(-1).tolist()}
    found = page.evaluate(
        f"""async (given) => {{
            const p = await import("./pixels.js"), {{width, height, data}} = JSON.parse(given)
            const image = {{width, height, data: Uint8ClampedArray.from(data)}}
            const found = {expression}
            return JSON.stringify({{...found, data: [...found.data]}})
        }}""",
        json.dumps(image),  # as one string: Playwright takes seconds over so many numbers
    )
    found = json.loads(found)
    return np.array(found["data"], np.uint8).reshape(found["height"], found["width"], 3)


@pytest.fixture
def soft():
    noise = np.random.default_rng(0).integers(0, 256, (80, 100, 3), np.uint8)
    return cv2.GaussianBlur(noise, (5, 5), 0)


def test_pixels_are_opencvs(page, soft):
    soft = np.ascontiguousarray(soft[:37, :53])
    for size in (16, 31, 64):
        exact = cv2.resize(soft, (size, size), interpolation=cv2.INTER_LINEAR_EXACT)
        found = in_the_page(page, soft, f"p.resizeExact(image, {size}, {size})")
        np.testing.assert_array_equal(found, exact)
    for width, height in ((13, 9), (52, 36), (53, 9), (64, 64), (20, 64)):
        area = cv2.resize(soft, (width, height), interpolation=cv2.INTER_AREA)
        found = in_the_page(page, soft, f"p.resizeArea(image, {width}, {height})")
        assert np.abs(found.astype(int) - area).max() <= 1, (width, height)


def test_a_turned_square_is_pythons(page, soft):
    for roll, side, size, cut, named in (
        (30, 40, 30, with_edges, "withEdges"),
        (-100, 90.5, 24, on_black, "onBlack"),
    ):
        expected = turned(soft, (41.5, 30), side, roll, size, cut)
        found = in_the_page(
            page, soft, f"p.turned(image, [41.5, 30], {side}, {roll}, {size}, p.{named})"
        )
        assert np.abs(found.astype(int) - expected).max() <= 2


def test_a_jpeg_is_scaled_as_its_decoder_would(page):
    data = io.BytesIO()
    face = paint_face(30, 0, np.random.default_rng(0), 200)
    face.resize((100, 80)).save(data, "JPEG", quality=92)
    whole = simplejpeg.decode_jpeg(data.getvalue())
    for size in (10, 25, 33, 60):
        scaled = simplejpeg.decode_jpeg(data.getvalue(), min_height=size, min_width=size)
        found = in_the_page(page, whole, f"p.byEighths(image, {size}, {size})")
        assert found.shape == scaled.shape
        # A file holds its colours at a lower resolution than the pixels do.
        assert np.abs(found.astype(int) - scaled).mean() < 2.5
