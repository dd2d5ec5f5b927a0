"""A run that learns another one's distributions."""

import shutil

import numpy as np
import pytest

import agejax
from agejax.checkpoints.run_dir import read_checkpoint
from agejax.errors import UserError
from agejax.models.multitask import per_image
from agejax.optim import constant
from agejax.training.loop import train
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
