"""A run that learns another one's distributions."""

import json
import shutil

import numpy as np
import pytest

import agejax
from agejax import config as configs
from agejax.checkpoints.run_dir import read_checkpoint
from agejax.data.own_faces import own_faces
from agejax.errors import UserError
from agejax.evaluation.evaluate import open_split, reader_of
from agejax.losses.row_losses import ordinal
from agejax.models.heads import Coral
from agejax.models.multitask import per_image
from agejax.optim import constant
from agejax.steps.model_factory import make_model
from agejax.training.loop import train
from tests.data.tables.conftest import jpeg
from tests.runs import assert_identical
from tests.tiny import get_config

pytestmark = pytest.mark.usefixtures("quick_compilation")

CROPS = np.random.default_rng(0).integers(0, 256, (8, 16, 16, 3), np.uint8)


def student_of(teacher, archives, built):
    """Another network than the teacher's, that is fed otherwise and at another size."""
    config = get_config()
    config.data.update(manual_dir=str(archives), data_dir=str(built), size=12)
    config.model.normalise = per_image
    config.optim.update(schedule=constant, learning_rate=3e-3)
    config.train.update(steps=8, eval_every=4)
    config.distil.update(teacher=str(teacher), weight=0.9)
    config.seed = 5
    return config


@pytest.fixture(scope="module")
def taught(run, archives, built, tmp_path_factory):
    """A teacher's folder, which is gone, and that of a student of it."""
    folder = tmp_path_factory.mktemp("taught")
    shutil.copytree(run, folder / "teacher")
    train(student_of(folder / "teacher", archives, built), folder / "student")
    (folder / "teacher").rename(folder / "gone")
    return folder


@pytest.fixture
def student(taught, archives, built):
    """The config of that student."""
    return student_of(taught / "teacher", archives, built)


def test_a_student_is_resumed_exactly_and_its_teacher_is_known_again(taught, student, tmp_path):
    workdir = tmp_path / "student"
    student.train.steps = 4
    student.distil.teacher = str(tmp_path / "teacher")
    shutil.copytree(taught / "gone", tmp_path / "teacher")
    train(student, workdir)
    student.train.steps = 8
    weights = tmp_path / "teacher" / "checkpoints"
    (tmp_path / "teacher").rename(tmp_path / "away")
    with pytest.raises(UserError, match="config.distil.teacher is .*; there is no such run"):
        train(student, workdir)
    # Its latest checkpoint as its best one: another teacher of the same name.
    other = read_checkpoint(tmp_path / "away", "latest")
    agejax.export(tmp_path / "away", "weights", tmp_path / "teacher")
    with pytest.raises(UserError, match=r"student: its teacher, .* is not what it has learned"):
        train(student, workdir)
    (tmp_path / "teacher").unlink()
    (tmp_path / "away").rename(tmp_path / "teacher")
    train(student, workdir)
    assert other.step == 30
    assert weights.is_dir()
    assert_identical(workdir, taught / "student", step=8)


def test_what_a_student_has_learned_from_is_recorded(taught):
    (session,) = json.loads((taught / "student" / "run.json").read_text())
    found = session["teacher"]
    assert found["path"] == str(taught / "teacher")
    assert len(found["sha256"]) == 64
    assert found["step"] == read_checkpoint(taught / "gone").step


def test_a_student_needs_no_teacher_once_it_is_trained(taught, student, tmp_path, monkeypatch):
    monkeypatch.setattr("agejax.training.teacher.read_checkpoint", lambda *_, **__: 1 / 0)
    figures = train(student, taught / "student")  # is only evaluated again
    assert figures["n"] > 0
    out = tmp_path / "student.safetensors"
    agejax.export(taught / "student", "weights", out)
    crops = CROPS[:, :12, :12]
    ours = agejax.load(taught / "student").probabilities(crops)
    theirs = agejax.load(out).probabilities(crops)
    np.testing.assert_allclose(ours["age"], theirs["age"], atol=0.01)
    assert "teacher" not in str(read_checkpoint(out).config.distil.teacher)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"distil.teacher": "nowhere"}, "config.distil.teacher is nowhere; there is no such run"),
        ({"distil.teacher": __file__}, "config.distil.teacher: .*not a run, nor a file"),
        ({"distil.teacher": "."}, "config.distil.teacher: .: there is no trained run here"),
        ({"tasks.gender.weight": 0.0, "tasks.age.classes": 90}, "no task in common"),
        ({"distil.teacher": None, "distil.unlabelled": "faces"}, "set config.distil.teacher"),
        ({"distil.weight": 0.0}, "config.distil.weight is 0.0; it must be above 0"),
        ({"distil.temperature": 0.0}, "config.distil.temperature is 0.0; it must be above 0"),
        ({"tasks.age.head": Coral, "tasks.age.loss": ordinal, "distil.temperature": 2.0}, "Coral"),
        ({"distil.unlabelled": "nowhere"}, "nowhere"),
    ],
)
def test_what_cannot_teach_is_told_in_one_line(student, run, tmp_path, changes, said):
    configs.update(student, {"distil.teacher": str(run), **changes})
    with pytest.raises(UserError, match=said) as error:
        train(student, tmp_path / "student")
    assert "\n" not in str(error.value)


def test_without_any_label_all_is_learned_from_the_teacher(student, run, built, tmp_path):
    """Not even in validation; and unlabelled faces are among those trained on."""
    folder = tmp_path / "more"
    folder.mkdir()
    for i in range(24):
        (folder / f"{i}.jpg").write_bytes(jpeg(i))
    table = tmp_path / "faces.csv"
    table.write_text(
        "path,split\n"
        + "".join(
            f"more/{i}.jpg,{'train' if i < 8 else 'validation' if i < 12 else 'test'}\n"
            for i in range(16)
        )
    )
    configs.update(
        student,
        {
            "data.source": own_faces,
            "data.path": str(table),
            "data.manual_dir": None,
            "data.data_dir": None,
            "distil.teacher": str(run),
            "distil.unlabelled": str(folder),
            "train.steps": 4,
        },
    )
    figures = train(student, tmp_path / "student")
    assert figures["n"] == 4
    assert figures["age"]["n"] == 0
    faces = open_split(student, "train")
    assert faces.attributes["set"].tolist() == ["labelled"] * 8 + ["unlabelled"] * 8
    assert not faces.known["age"].any()


def test_a_student_comes_closer_to_its_teacher(taught, student):
    told = np.load(taught / "gone" / "eval" / "test.npz")
    faces = open_split(student, "test").without(open_split(student, "train"))
    assert faces.path.tolist() == told["path"].tolist()
    trained = read_checkpoint(taught / "student", "latest").weights
    before, after = (
        reader_of(student, weights)(faces)[0] for weights in (make_model(student)[1], trained)
    )
    for task in ("age", "gender"):
        p = told[f"{task}_probabilities"]
        divergence = lambda of: (p * np.log(p / of[task])).sum(-1).mean()  # noqa: B023
        assert divergence(after) < divergence(before)
