"""Whose data a run's config names, and what becomes of those that are not known here."""

import json

import pytest

from agejax import config as configs
from agejax.checkpoints import own_data
from agejax.checkpoints.run_dir import of_the_run, recorded
from agejax.data import withheld
from agejax.data.imdb_wiki import imdb_wiki
from agejax.data.mixture import mixture
from agejax.data.own_faces import own_faces
from agejax.errors import UserError
from agejax.evaluation.evaluate import training_faces
from agejax.evaluation.open_split import open_split
from agejax.experiments.reproduce import repeat
from agejax.training.initial_weights import start_from_pretrained
from agejax.training.loggers.tensorboard import TensorBoard


@pytest.fixture(autouse=True)
def machine(tmp_path, monkeypatch):
    """A machine on which nothing is known yet."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setattr(own_data, "_said", set())
    return tmp_path


def forgotten(monkeypatch):
    """What another process knows."""
    monkeypatch.setattr(own_data, "_said", set())


def config_on(**data):
    config = configs.default()
    config.data.update(data)
    return config


def saved(folder, config):
    (folder / "checkpoints").mkdir(parents=True)
    (folder / "config.json").write_text(configs.to_json(config))
    return folder


FOREIGN = {
    "table": {"source": own_faces, "path": "/secret/faces.csv", "root": "/secret"},
    "built": {"data_dir": "/secret/built", "manual_dir": "/secret/archives"},
    "default": {},  # builds ~/tensorflow_datasets where it is not built
    "painted": {"painted": 5, "manual_dir": "/secret/archives"},
    "cache": {"cache_dir": "/secret/cache", "source": own_faces, "path": "faces.csv"},
}


@pytest.mark.parametrize("data", FOREIGN.values(), ids=FOREIGN)
def test_data_of_a_foreign_run_are_not_opened(tmp_path, data):
    run = saved(tmp_path / "run", config_on(**data))
    config = of_the_run(run, {})
    assert config.data.source is withheld.faces
    assert config.data.painted == 0
    assert {config.data[key] for key in own_data._PATHS} == {None}
    with pytest.raises(UserError, match="so they are not opened; name yours"):
        open_split(config, "test")
    assert training_faces(config) is None
    assert configs.to_json(recorded(run)) == configs.to_json(config_on(**data))


@pytest.mark.parametrize("data", FOREIGN.values(), ids=FOREIGN)
def test_what_was_said_here_is_known_later(tmp_path, data, monkeypatch):
    mine = config_on(**data)
    own_data.remember(mine)
    forgotten(monkeypatch)
    run = saved(tmp_path / "run", mine)
    assert configs.to_json(of_the_run(run, {})) == configs.to_json(mine)
    other = saved(tmp_path / "other", config_on(**data | {"min_face_score": 2.0}))
    assert of_the_run(other, {}).data.source is withheld.faces


def test_the_same_words_in_another_folder_are_other_files(tmp_path, monkeypatch):
    run = saved(tmp_path / "run", config_on(source=own_faces, path="faces.csv"))
    for name in ("here", "there"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / "here")
    own_data.remember(recorded(run))
    assert of_the_run(run, {}).data.path == "faces.csv"
    monkeypatch.chdir(tmp_path / "there")
    assert of_the_run(run, {}).data.path is None


def test_notes_are_not_looked_for_in_whatever_folder_this_is(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", "state")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert own_data._notes() == tmp_path / "home/.local/state/agejax/own_data"


def test_a_machine_that_keeps_no_notes_knows_this_process_at_least(tmp_path, monkeypatch):
    monkeypatch.setattr(own_data, "_notes", lambda: None)
    mine = config_on(source=own_faces, path="x.csv")
    own_data.remember(mine)
    assert of_the_run(saved(tmp_path / "run", mine), {}).data.source is own_faces


def test_a_command_names_other_data_for_a_foreign_run(tmp_path):
    run = saved(tmp_path / "run", config_on(**FOREIGN["built"], painted=7))
    config = of_the_run(run, {"data.data_dir": "/mine"})
    assert (config.data.source, config.data.data_dir) == (imdb_wiki, "/mine")
    assert (config.data.manual_dir, config.data.painted) == (None, 0)
    config = of_the_run(run, {"data.source": own_faces, "data.path": "mine.csv"})
    assert (config.data.source, config.data.path) == (own_faces, "mine.csv")
    assert of_the_run(run, {"data.cache_dir": "/mine"}).data.source is withheld.faces


def test_the_users_own_config_says_which_data(tmp_path, caplog):
    caplog.set_level("INFO", "agejax")
    run = saved(tmp_path / "run", config_on(**FOREIGN["table"], size=48))
    mine = config_on(data_dir="/mine", size=64)
    mine.eval.attributes = "/mine.csv"
    config = of_the_run(run, {}, instead=mine)
    assert (config.data.source, config.data.data_dir) == (imdb_wiki, "/mine")
    assert (config.data.path, config.data.size) == (None, 48)
    assert config.eval.attributes == "/mine.csv"
    assert "its data are those of your config" in caplog.text


def test_folders_of_ones_own_runs(tmp_path, monkeypatch):
    run = saved(tmp_path / "runs" / "a", config_on(**FOREIGN["table"]))
    monkeypatch.setenv("AGEJAX_OWN_RUNS", f"/nowhere:{tmp_path / 'runs'}")
    assert of_the_run(run, {}).data.path == "/secret/faces.csv"
    (tmp_path / "runs-of-others").mkdir()
    other = saved(tmp_path / "runs-of-others" / "a", config_on(**FOREIGN["table"]))
    assert of_the_run(other, {}).data.path is None


def test_sets_of_a_mixture_are_withheld_one_by_one(tmp_path):
    config = config_on(source=mixture)
    with config.unlocked():
        config.data.sets = {
            "mine": {"source": own_faces, "path": "/secret/a.csv", "weight": 2},
            "imdb": {"source": imdb_wiki, "manual_dir": "/secret", "painted": 3},
            "deep": {"source": mixture, "sets": {"x": {"source": own_faces, "path": "/s.csv"}}},
        }
    run = saved(tmp_path / "run", config)
    assert of_the_run(run, {}).data.source is withheld.faces
    again = of_the_run(run, {"data.sets.mine.path": "b.csv"}).data.sets.to_dict()
    assert again["mine"] == {"source": own_faces, "path": "b.csv", "weight": 2}
    assert again["imdb"] == again["deep"] == {"source": withheld.faces}


def test_all_else_that_a_foreign_run_names_is_left_out(tmp_path):
    config = configs.default()
    config.eval.attributes = "/secret.csv"
    config.model.pretrained = "/secret/weights.pth"
    config.writers = (TensorBoard,)
    again = of_the_run(saved(tmp_path / "run", config), {})
    assert (again.eval.attributes, again.writers) == (None, ())
    with pytest.raises(UserError, match="was not named by you here, so it is not opened"):
        start_from_pretrained(again, {})
    config.model.pretrained = "agejax.pretrained.start_from:dlib_faces"
    again = of_the_run(saved(tmp_path / "named", config), {})
    assert again.model.pretrained == config.model.pretrained


def test_a_foreign_run_is_not_trained_again_on_what_it_names(tmp_path):
    run = saved(tmp_path / "run", config_on(**FOREIGN["painted"]))
    with pytest.raises(UserError, match="so they are not opened"):
        repeat(run, tmp_path / "again", {})
    with pytest.raises(UserError, match=r"data\.painted was 5 and is now 0"):
        repeat(run, tmp_path / "again", {"data.manual_dir": str(tmp_path)})
    assert not (tmp_path / "again").exists()


def test_a_withheld_config_can_be_written_and_read(tmp_path):
    config = of_the_run(saved(tmp_path / "run", config_on(**FOREIGN["table"])), {})
    assert json.loads(configs.to_json(config))["data"]["source"] == "agejax.data.withheld:faces"
    assert configs.from_json(configs.to_json(config), "here").data.source is withheld.faces
