"""What a foreign run's config names to learn from, which is opened no more than its data."""

import json

import pytest

from agejax import config as configs
from agejax.checkpoints import own_data
from agejax.checkpoints.run_dir import licence_of, of_the_run
from agejax.errors import UserError
from agejax.training.initial_weights import start_from_pretrained
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


def test_the_licence_of_a_teacher_is_kept_beside_that_of_the_data(tmp_path):
    assert licence_of(tmp_path) is None
    session = {"step": 0, "teacher": {"licence": "academic use"}}
    (tmp_path / "run.json").write_text(json.dumps([session]))
    assert licence_of(tmp_path) == "of its teacher: academic use"
    (tmp_path / "eval").mkdir()
    for own, both in (
        ("mine", "mine; of its teacher: academic use"),
        ("academic use", "academic use"),
    ):
        told = {"data": {"about": {"licence": own}}}
        (tmp_path / "eval" / "test.json").write_text(json.dumps(told))
        assert licence_of(tmp_path) == both
    (tmp_path / "run.json").write_text("{}")
    assert licence_of(tmp_path) == "academic use"


@pytest.mark.parametrize("key", ["distil.teacher", "model.pretrained"])
def test_a_function_that_returns_no_path_is_told(key):
    config = configs.default()
    for named in ("os.path:join", "os:environ"):
        configs.update(config, {key: named})
        with pytest.raises(UserError, match=f"{key} is {named}, which returns no path"):
            read_teacher(config) if "teacher" in key else start_from_pretrained(config, {})


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
