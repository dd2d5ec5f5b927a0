"""What a foreign run's config names to learn from, which is opened no more than its data."""

import json

import pytest

from agejax import config as configs
from agejax.checkpoints import own_data
from agejax.checkpoints.run_dir import of_the_run
from agejax.errors import UserError
from agejax.training.teacher import read_teacher

WITHHELD = "agejax.data.withheld:weights"


@pytest.fixture(autouse=True)
def machine(tmp_path, monkeypatch):
    """A machine on which nothing is known yet."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setattr(own_data, "_said", set())


def config_of(**distil):
    config = configs.default()
    config.distil.update(distil)
    return config


@pytest.fixture
def foreign(tmp_path):
    config = config_of(teacher="/secret/run", unlabelled="/secret/faces")
    (tmp_path / "run" / "checkpoints").mkdir(parents=True)
    (tmp_path / "run" / "config.json").write_text(configs.to_json(config))
    return tmp_path / "run"


def test_neither_teacher_nor_faces_of_a_foreign_run_are_opened(foreign):
    config = of_the_run(foreign, {})
    assert config.distil.teacher == WITHHELD
    assert config.distil.unlabelled is None
    with pytest.raises(UserError, match="was not named by you here, so it is not opened"):
        read_teacher(config)


def test_those_that_were_named_here_are(foreign):
    own_data.remember(config_of(teacher="/secret/run", unlabelled="/secret/faces"))
    config = of_the_run(foreign, {})
    assert (config.distil.teacher, config.distil.unlabelled) == ("/secret/run", "/secret/faces")


def test_a_model_that_is_given_away_names_neither():
    config = own_data.public(config_of(teacher="/home/me/run", unlabelled="/home/me/faces"))
    assert "/home/me" not in configs.to_json(config)
    packaged = own_data.public(config_of(teacher="agejax.pretrained:faces"))
    assert packaged.distil.teacher == "agejax.pretrained:faces"


def test_code_in_place_of_a_teacher_is_not_run():
    written = json.loads(configs.to_json(configs.default()))
    for name in ("os:getcwd", "agejax.data.mixture:mixture"):
        written["distil"]["teacher"] = name
        with pytest.raises(UserError, match="config.distil.teacher names"):
            configs.from_json(json.dumps(written), "here")


def test_configs_of_before_there_were_teachers_have_none():
    written = json.loads(configs.to_json(configs.default()))
    del written["distil"]
    assert configs.from_json(json.dumps(written), "here").distil.teacher is None
