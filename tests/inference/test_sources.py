"""What is one image, what is several, and what is none."""

import io
import pathlib

import numpy as np
import pytest
from PIL import Image

from agejax.errors import UserError
from agejax.inference.image_loading import Opener
from agejax.inference.path_list import paths_in
from agejax.inference.sources import images_of
from agejax.utils.printable import printable
from tests.photos import backdrop, encoded, turned

JPEG = encoded(backdrop(60, 60))
PIXELS = np.asarray(backdrop(60, 60))


@pytest.fixture
def file(tmp_path):
    (tmp_path / "a.jpg").write_bytes(JPEG)
    return tmp_path / "a.jpg"


class Named:
    def __init__(self, path):
        self.path = str(path)

    def __fspath__(self):
        return self.path


@pytest.mark.parametrize(
    "given",
    [
        str,
        lambda file: file,
        Named,
        lambda file: pathlib.PurePosixPath(file),
        lambda file: file.read_bytes(),
        lambda file: bytearray(file.read_bytes()),
        lambda file: memoryview(file.read_bytes()),
        lambda file: io.BytesIO(file.read_bytes()),
        lambda file: io.BufferedReader(io.BytesIO(file.read_bytes())),
        lambda file: Image.open(file),
        lambda file: np.asarray(Image.open(file)),
        lambda file: Image.open(file).convert("L"),
    ],
)
def test_each_is_one_image(file, given):
    opener = Opener(16, 0.4)
    for several in (given(file), [given(file)], (given(file) for _ in range(1))):
        (opened,) = map(opener.open, images_of(several))
        assert opened.error is None
        assert opened.shape == (60, 60)
    assert len(list(images_of([given(file), [given(file)], {"a": given(file)}.values()]))) == 3


def test_a_file_may_be_closed_once_it_is_taken(file):
    def opened():
        for _ in range(3):
            with file.open("rb") as source:
                yield source
            with Image.open(file) as image:
                yield image

    assert [Opener(16, 0.4).open(x).error for x in images_of(opened())] == [None] * 6


def test_an_image_of_pillow_is_seen_as_its_file():
    data = turned(backdrop(60, 50), 6)
    with Image.open(io.BytesIO(data)) as image:
        (pixels,) = images_of(image)
    assert pixels.shape == (50, 60, 3)
    (deep,) = images_of(Image.fromarray(np.full((4, 4), 32768, np.uint16)))
    assert (deep == 128).all()


def test_columns_of_paths_are_several(file):
    assert list(images_of(np.array([str(file), "b.jpg"]))) == [str(file), "b.jpg"]
    assert list(images_of(np.array([file, "b.jpg"], object))) == [file, "b.jpg"]


@pytest.mark.parametrize("given", [None, 3, 2.5, {"path": "a.jpg"}, object(), [1, 2]])
def test_what_is_no_image_says_so(given):
    with pytest.raises(TypeError, match=r"an image is (NoneType|int|float|dict|object); it can"):
        list(images_of(given))


def test_a_file_open_for_text_says_so(file):
    with file.open() as text, pytest.raises(TypeError, match="mode 'rb'"):
        list(images_of(text))


def test_what_cannot_be_read_is_an_error_in_its_place(tmp_path, file):
    closed = file.open("rb")
    closed.close()
    (tmp_path / "empty").mkdir()
    broken = Image.open(io.BytesIO(JPEG[:-200]))
    items = list(images_of([closed, tmp_path / "empty", broken, Image.new("F", (4, 4)), file]))
    assert [isinstance(item, UserError) for item in items] == [True] * 4 + [False]
    assert "no image (.jpg" in str(items[1])
    errors = [Opener(16, 0.4).open(item).error for item in items]
    assert [str(error) for error in errors[:4]] == [str(item) for item in items[:4]]


class Slow(io.BytesIO):
    """A pipe that brings a few bytes at a time."""

    def read1(self, n=-1):
        return super().read1(7)


def listed(data):
    stream = Slow(data)
    return list(paths_in(stream.read(32), stream))


@pytest.mark.parametrize(
    ("data", "paths"),
    [
        (b"a.jpg\nb c.jpg\r\n\n d.jpg", ["a.jpg", "b c.jpg", " d.jpg"]),
        (b"./a\nb.jpg\0./c.jpg\0", ["./a\nb.jpg", "./c.jpg"]),
        (b"./" + b"long" * 30 + b"\0b.jpg\0", ["./" + "long" * 30, "b.jpg"]),
        ("ä.jpg\r\n日本.jpg\r\n".encode("utf-16"), ["ä.jpg", "日本.jpg"]),
        ("\ufeffä.jpg\n".encode("utf-16-be"), ["ä.jpg"]),
        ("./photos/a.jpg\r\nb.jpg".encode("utf-16-le"), ["./photos/a.jpg", "b.jpg"]),
        ("./photos/a.jpg\nb.jpg".encode("utf-16-be"), ["./photos/a.jpg", "b.jpg"]),
        (b"\xef\xbb\xbfa.jpg\nb\xff.jpg", ["a.jpg", "b\udcff.jpg"]),
        ("日本.jpg\n".encode(), ["日本.jpg"]),
        (b"a", ["a"]),
    ],
)
def test_lists_are_read_as_they_were_written(data, paths):
    assert listed(data) == paths


def test_a_line_without_end_costs_itself_alone():
    first, second = listed(b"x" * 200_000 + b"\nb.jpg\n")
    assert "a path of over 65,536 characters" in str(first)
    assert second == "b.jpg"


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("日本 é'\"\\.jpg", "日本 é'\"\\.jpg"),
        ("a\x1b[31mb\n\r\t", r"a\x1b[31mb\n\r\t"),
        ("gpj.\u202eexe", r"gpj.\u202eexe"),
        ("\u2066x\u2069\u200b\ufeff", r"\u2066x\u2069\u200b\ufeff"),
        ("b\udcff\x9b\x7f", r"b\xff\x9b\x7f"),
        ("a\u2028b\U000e0041", r"a\u2028b\U000e0041"),
        ("👨\u200d👩", "👨\u200d👩"),
    ],
)
def test_names_are_shown_without_what_a_terminal_acts_on(name, shown):
    assert printable(name) == shown
    assert printable(shown) == shown
