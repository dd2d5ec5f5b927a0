"""Photos are cut as the training crops were: the margin is measured, or every reading says so."""

import io
import json
import shutil

import numpy as np
import pytest
from PIL import Image

import agejax
from agejax.checkpoints.manifest import seal
from agejax.data import crop_margin
from agejax.data.crop_margin import CropMargin, measure, of_config, summary
from agejax.data.faces import Faces
from agejax.errors import UserError
from agejax.experiments.combined import Member
from agejax.exporters import artefact
from agejax.exporters.function import Trained
from agejax.inference import show
from agejax.serve import app
from agejax.training import loop
from tests.photos import group_photo
from tests.runs import assert_identical
from tests.tiny import get_config
from tfds_imdb_wiki.paint.face import paint_face

DOUBT = "is not known, as none were measured when this run was trained"


def faces_of(images):
    """`Faces` of arrays, with nothing but their images."""
    jpegs = []
    for pixels in images:
        Image.fromarray(pixels).save(data := io.BytesIO(), "JPEG", quality=92)
        jpegs.append(data.getvalue())
    rows = np.arange(len(jpegs))
    read = lambda wanted: [jpegs[row] for row in wanted]
    return Faces(rows.astype(str), {}, {}, rows.astype(str), read, rows)


def painted(n, beyond=0.0, side=64):
    rng = np.random.default_rng(0)
    more = round(beyond * side)
    for i in range(n):
        face = np.asarray(paint_face(i % 90, i % 2, rng, side))
        yield np.pad(face, ((more, more), (more, more), (0, 0)), mode="edge")


def test_crops_tell_their_margin():
    found = measure(faces_of(painted(40)))
    wider = measure(faces_of(painted(40, beyond=0.25)))
    assert (found.doubt, wider.doubt) == (None, None)
    assert 0.35 < found.margin < 0.5
    assert 0.3 < wider.margin - found.margin < 0.6  # 0.25 of a side of about 1.7 faces


def test_tight_crops_have_none(shared):
    import tarfile

    with tarfile.open(shared / "wiki_crop.tar") as archive:
        jpegs = [archive.extractfile(m) for m in archive if m.name.endswith(".jpg")][:1500:10]
        images = [np.asarray(Image.open(jpeg).convert("RGB")) for jpeg in jpegs]
    found = measure(faces_of(images))
    assert found.margin < 0.05
    assert found.found > 100


def test_where_no_face_is_found_it_is_not_known():
    noise = np.random.default_rng(0).integers(0, 256, (30, 32, 32, 3), np.uint8)
    found = measure(faces_of(noise))
    assert found.doubt == "as one face was found in only 0 of 30 of them"
    assert found.margin == crop_margin.USUAL


@pytest.mark.parametrize(
    ("margins", "looked_at", "margin", "doubt"),
    [
        ([0.3] * 20, 60, 0.3, None),
        ([0.3] * 19, 19, 0.4, "in only 19 of 19"),  # too few for a median
        ([0.3] * 60, 200, 0.4, "in only 60 of 200"),
        ([-0.1] * 50, 50, 0.0, None),
        ([0.0, 0.4] * 50, 100, 0.4, "half of the crops have 0.00 to 0.40"),
    ],
)
def test_enough_crops_must_agree(margins, looked_at, margin, doubt):
    found = summary(margins, looked_at)
    assert found.margin == margin
    assert (found.doubt is None) == (doubt is None)
    assert (doubt or "") in str(found)


@pytest.mark.parametrize(
    ("given", "chosen", "kept", "margin", "known"),
    [
        (0.1, 0.2, CropMargin(0.3, found=50), 0.1, True),
        (None, 0.2, CropMargin(0.3, found=50), 0.2, True),
        (None, None, CropMargin(0.3, found=50), 0.3, True),
        (None, 0.4, CropMargin(0.4), 0.4, True),
        (None, 0.4, None, 0.4, False),  # the default of before, which nobody chose
        (None, 0.35, None, 0.35, True),
        (None, None, CropMargin(doubt="as so"), 0.4, False),
    ],
)
def test_what_is_said_goes_before_what_is_measured(given, chosen, kept, margin, known):
    found = of_config(given, chosen, kept)
    assert (found.margin, found.doubt is None) == (margin, known)


@pytest.mark.parametrize(
    "saved", [3, {}, {"margin": 9, "doubt": None, "found": 1}, {"margin": "x", "doubt": 1}]
)
def test_an_odd_note_is_one_line(saved):
    with pytest.raises(UserError, match="here: its margin is not valid"):
        CropMargin.read(saved, "here")
    plain = CropMargin.read({"margin": 1, "doubt": "a\x1b[2J\nb", "found": 0}, "here")
    assert plain.doubt == "a[2Jb"


@pytest.fixture(scope="module")
def measured(archives, built, tmp_path_factory):
    """The run of the fixture `run`, but that nobody chose its margin."""
    config = get_config()
    config.data.update(manual_dir=str(archives), data_dir=str(built), margin=None)
    workdir = tmp_path_factory.mktemp("measured") / "tiny"
    loop.train(config, workdir)
    return workdir, config


def test_training_measures_it_and_is_the_same_otherwise(measured, run):
    workdir, _ = measured
    assert_identical(workdir, run)
    model = agejax.load(workdir)
    assert 0.2 < model.margin < 0.5
    assert model.margin != 0.4
    assert model.note is None
    assert agejax.load(workdir, margin=0.1).margin == 0.1
    trained = Trained.load(workdir)
    crop = artefact.description(trained)["crop"]
    assert (crop["margin"], crop["margin_doubt"]) == (model.margin, None)
    assert Trained.load(workdir, margin=0.1).margin.margin == 0.1


def test_a_resumed_run_keeps_it(measured, tmp_path, monkeypatch):
    workdir, config = measured
    copy, config = tmp_path / "copy", config.copy_and_resolve_references()
    shutil.copytree(workdir, copy)
    monkeypatch.setattr(loop, "measure", lambda faces: pytest.fail("measured again"))
    config.train.steps = 36
    loop.train(config, copy)
    assert agejax.load(copy, "36").margin == agejax.load(workdir).margin


def test_what_cannot_be_measured_is_noted(measured, tmp_path, monkeypatch):
    _, config = measured
    monkeypatch.setattr(loop, "measure", lambda faces: CropMargin(doubt="as so"))
    config = config.copy_and_resolve_references()
    config.train.update(steps=6, eval_every=6)
    loop.train(config, tmp_path / "run")
    model = agejax.load(tmp_path / "run")
    assert model.margin == 0.4
    assert model.note == "the margin of the training crops is not known, as so"


@pytest.fixture(scope="module")
def old(run, tmp_path_factory):
    """A run of before margins were measured."""
    copy = tmp_path_factory.mktemp("old") / "run"
    shutil.copytree(run, copy)
    for file in copy.glob("checkpoints/*/config/metadata"):
        saved = json.loads(file.read_text())
        del saved["margin"]
        file.write_text(json.dumps(saved))
        seal(file.parent.parent, int(file.parent.parent.name))
    return copy


def test_every_photo_of_an_older_run_says_that_it_is_not_known(old, run):
    photo = np.asarray(group_photo())
    [reading] = agejax.load(old).read([photo], photos=True)
    assert reading.faces
    assert all(DOUBT in line for line in reading.lines())
    for written in (show.as_json, show.as_csv):
        written(out := io.StringIO())(reading)
        assert out.getvalue().count(DOUBT) == len(reading.faces)
    assert DOUBT in app._shown(reading, False)["note"]
    doubt = artefact.description(Trained.load(old))["crop"]["margin_doubt"]
    assert doubt
    assert doubt in DOUBT
    for other in (
        *agejax.load(run).read([photo], photos=True),  # whose margin was chosen
        *agejax.load(old, margin=0.4).read([photo], photos=True),
        *agejax.load(old).read([photo], photos=False),  # a crop of somebody else's
    ):
        assert (len(other.faces) > 0, other.note) == (True, None)
        assert not any("margin" in line for line in other.lines())


def test_members_of_an_ensemble_must_have_the_same(measured, old):
    one, other = (Member.of(path, "best") for path in (measured[0], old))
    assert one.margin().found > 20
    one._check_faces(one)
    other.config.data.margin = 0.2
    with pytest.raises(UserError, match=r"crops are 0\.\d+ and 0\.2 of a face"):
        one._check_faces(other)
