"""`agejax predict` on what real folders, pipes and terminals bring."""

import io
import os
import sys

import pytest

import agejax.cli
from agejax.inference import predictor
from tests.photos import backdrop, encoded

JPEG = encoded(backdrop(40, 40))


@pytest.fixture(scope="module")
def model(run):
    return agejax.load(run, batch_size=4)


@pytest.fixture
def predicted(model, monkeypatch, capsys):
    """`agejax predict ARGS`: exit code, stdout, stderr."""
    monkeypatch.setattr(predictor, "load", lambda *args, **kwargs: model)

    def call(*args, stdin=b""):
        monkeypatch.setattr(
            sys, "argv", ["agejax", "predict", *map(str, args), "--checkpoint", "x"]
        )
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        with pytest.raises(SystemExit) as stop:
            agejax.cli.main()
        return stop.value.code or 0, *capsys.readouterr()

    return call


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in "abc":
        (folder / f"{name}.jpg").write_bytes(JPEG)
    return folder


def read(out):
    return [line.partition(": ")[0] for line in out.splitlines()]


def test_bad_arguments_cost_themselves_alone(predicted, photos, tmp_path):
    (tmp_path / "empty.jpg").mkdir()
    os.mkfifo(tmp_path / "pipe.jpg")
    bad = [tmp_path / name for name in ("gone.jpg", "empty.jpg", "pipe.jpg", "x" * 300)]
    code, out, err = predicted(bad[0], photos, *bad[1:])
    assert code == 2
    assert read(out) == [f"{photos}/{name}.jpg" for name in "abc"]
    assert [line.partition(": ")[0] for line in err.splitlines()] == ["error"] * 4
    code, out, err = predicted(*bad)
    assert (code, out) == (2, "")
    assert len(err.splitlines()) == 4


def test_others_in_a_folder_are_counted_and_no_error(predicted, photos):
    (photos / "film.mov").write_bytes(b"")
    (photos / "odd\x1b[1m.\u202etxt").write_bytes(b"")
    code, out, err = predicted(photos)
    assert code == 0
    assert len(out.splitlines()) == 3
    assert err == f"note: {photos}: left out, as no images: 1 .mov, 1 .\\u202etxt\n"


def test_names_are_escaped_for_the_terminal(predicted, tmp_path):
    name = "日本\x1b[31m\n\u202e"
    (tmp_path / f"{name}.jpg").write_bytes(JPEG)
    (tmp_path / f"{name}.png").write_bytes(b"torn")
    code, out, err = predicted(tmp_path)
    shown = rf"{tmp_path}/日本\x1b[31m\n\u202e"
    assert code == 2
    assert read(out) == [f"{shown}.jpg"]
    assert err.startswith(f"error: {shown}.png: not a JPEG")


@pytest.mark.parametrize("form", [(), ("--json",), ("--csv",)])
@pytest.mark.parametrize("encoding", ["cp1252", "ascii", "utf-8"])
def test_a_name_that_the_encoding_lacks_costs_nothing(
    predicted, photos, monkeypatch, form, encoding
):
    (photos / "b 日本.jpg").write_bytes(JPEG)
    with open(os.fsencode(photos) + b"/b \xff.jpg", "wb") as file:
        file.write(JPEG)
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding=encoding))
    assert predicted(photos, *form)[0] == 0
    sys.stdout.flush()
    lines = written.getvalue().splitlines()
    assert len(lines) == 5 + (form == ("--csv",))
    raw = form == ("--csv",) and encoding == "utf-8"
    assert (b"b \xff.jpg" in written.getvalue()) == raw


def test_drawings_are_not_read_the_second_time(predicted, photos):
    drawn = photos / "out"
    first = predicted(photos, "--annotate", drawn)
    assert first[0] == 0
    assert len(list(drawn.iterdir())) == 3
    second = predicted(photos, "--annotate", drawn)
    assert second[:2] == first[:2]
    assert second[2] == f"note: {photos}: left out, as no images: 1 out/\n"
    assert len(list(drawn.iterdir())) == 3


@pytest.mark.parametrize("change", [os.unlink, lambda path: os.truncate(path, 300)])
def test_what_vanishes_before_it_is_drawn_costs_itself_alone(
    predicted, photos, model, monkeypatch, change
):
    whole = model.read

    def vanishing(*args):
        for reading in whole(*args):
            if reading.path.endswith("b.jpg"):
                change(reading.path)
            yield reading

    monkeypatch.setattr(model, "read", vanishing)
    code, out, err = predicted(photos, "--annotate", photos / "out")
    assert code == 2
    assert len(out.splitlines()) == 3
    assert err.startswith(f"error: {photos}/b.jpg cannot be drawn: ")
    assert {path.name for path in (photos / "out").iterdir()} == {"a-faces.jpg", "c-faces.jpg"}


@pytest.mark.parametrize("encoding", ["print0", "utf-16", "json"])
def test_lists_of_paths_of_any_kind(predicted, photos, tmp_path, encoding):
    (photos / "b\n2.jpg").write_bytes(JPEG)
    paths = [*sorted(map(str, photos.iterdir())), str(tmp_path / "gone.jpg"), str(tmp_path / "no")]
    (tmp_path / "no").mkdir()
    if encoding == "print0":
        stdin = "\0".join(paths).encode()
    elif encoding == "utf-16":
        stdin = "\r\n".join(path for path in paths if "\n" not in path).encode("utf-16")
    else:
        stdin = b'{"a": [[{"path": "x.jpg"}]]}\n' * 2
    code, out, err = predicted("-", stdin=stdin)
    assert code == 2
    assert len(out.splitlines()) == {"print0": 4, "utf-16": 3, "json": 0}[encoding]
    assert len(err.splitlines()) == 2


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF"])
def test_an_image_of_each_format_is_read_from_a_pipe(predicted, form):
    code, out, err = predicted("-", stdin=encoded(backdrop(40, 40), form))
    assert (code, err) == (0, "")
    assert out.startswith("stdin: ")
