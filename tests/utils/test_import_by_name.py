"""What a file may name: what is on the list, and nothing that is merely within reach."""

import importlib
import json
import sys
from pathlib import Path

import pytest

import agejax.cli
from agejax import config as configs
from agejax.errors import UserError
from agejax.utils.import_by_name import ALLOWED, name_of, resolve, trusted

CONFIGS = Path(__file__).parents[2] / "configs"
KINDS = {
    "data.source": "source",
    "model.trunk": "trunk",
    "model.normalise": "normalise",
    "optim.schedule": "schedule",
    "tasks.age.head": "head",
    "tasks.age.loss": "loss",
    "tasks.age.balance": "balance",
}
WITHIN_REACH = (
    *(
        "agejax.data.mixture:resolve",
        "agejax.data.records:write_records",
        "agejax.data.faces:Faces",
    ),
    *(
        "agejax.data.imdb_wiki:of_folder",
        "agejax.data.imdb_wiki:Path",
        "agejax.utils.import_by_name:resolve",
    ),
    *(
        "agejax.utils.atomic_write:write_text",
        "agejax.losses.row_losses:suits",
        "agejax.config.tasks:resolve",
    ),
    *("agejax.data.own_faces:ThreadPoolExecutor", "agejax:load", "tfds_imdb_wiki.build:build"),
)


def written(key, name):
    """A config's JSON in which a setting names something else."""
    tree = json.loads(configs.to_json(configs.default()))
    *sections, last = key.split(".")
    holder = tree
    for section in sections:
        holder = holder[section]
    holder[last] = name
    return json.dumps(tree)


@pytest.mark.parametrize(
    ("kind", "name"), [(kind, name) for kind, names in ALLOWED.items() for name in names]
)
def test_what_is_on_the_list_is_what_its_name_says(kind, name):
    module, _, attribute = name.partition(":")
    found = getattr(importlib.import_module(module), attribute)
    assert trusted(name, kind, (), "here") is found
    assert name_of(found) == name


@pytest.mark.parametrize("name", WITHIN_REACH)
@pytest.mark.parametrize("key", KINDS)
def test_what_is_within_reach_is_not_to_be_had(key, name, monkeypatch):
    monkeypatch.setenv("AGEJAX_TRUST", "agejax,agejax.data.mixture,tfds_imdb_wiki")
    module = name.partition(":")[0]
    with pytest.raises(UserError, match=f"names {name}, code that is not agejax's own for that"):
        configs.from_json(written(key, name), "here", trust={module})


def test_a_name_of_another_kind_is_refused():
    with pytest.raises(
        UserError, match=r"config\.data\.source names agejax\.losses\.row_losses:l1"
    ):
        configs.from_json(written("data.source", "agejax.losses.row_losses:l1"), "here")


@pytest.mark.parametrize("file", sorted(CONFIGS.glob("*.py")), ids=lambda file: file.stem)
def test_every_config_that_comes_with_it_is_read_again(file):
    config = configs.from_file(file)
    trust = {"examples.mixer"} if file.stem == "own_trunk" else set()
    again = configs.from_json(configs.to_json(config), "here", trust)
    assert configs.to_json(again) == configs.to_json(config)


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A current folder with a module in it that leaves a trace of its import."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine_here.py").write_text(
        "from pathlib import Path\nfrom subprocess import run\n"
        "Path(__file__).with_suffix('.ran').touch()\ndef it():\n    pass\n"
    )
    yield tmp_path
    sys.modules.pop("mine_here", None)


def test_what_a_trusted_module_merely_imports_is_refused(here):
    with pytest.raises(UserError, match="mine_here:run, which is not defined there, but in subpr"):
        configs.from_json(written("tasks.age.loss", "mine_here:run"), "here", trust={"mine_here"})
    with pytest.raises(UserError, match="mine_here:run, which is not defined there"):
        trusted("mine_here:run", "loss", {"mine_here"}, "here")
    assert trusted("mine_here:it", "loss", {"mine_here"}, "here").__name__ == "it"


def test_the_current_folder_is_searched_for_trusted_names_alone(here):
    before = list(sys.path)
    with pytest.raises(UserError, match="AGEJAX_TRUST=mine_here"):
        trusted("mine_here:it", "loss", (), "here")
    assert not (here / "mine_here.ran").exists()
    assert resolve("mine_here:it").__module__ == "mine_here"
    assert sys.path == before


def test_a_command_leaves_the_current_folder_alone(here, monkeypatch, capsys):
    (here / "zstandard.py").write_text("raise SystemExit('ran')")
    (here / "faces.csv").write_text("path,age\nx.jpg,3\n")
    before = list(sys.path)
    monkeypatch.setattr("sys.argv", ["agejax", "check", "faces.csv", "--no-images"])
    with pytest.raises(SystemExit):
        agejax.cli.main()
    assert sys.path == before
    assert str(here) not in sys.path


@pytest.mark.parametrize("key", ["data.source", "tasks.age.head", "model.trunk"])
def test_a_key_with_a_dot_is_no_other_setting(key):
    section, _, rest = key.partition(".")
    tree = json.loads(configs.to_json(configs.default()))
    for holder, name in ((tree, key), (tree[section], rest)):
        if "." in name:
            holder[name] = "os:system"
            with pytest.raises(UserError, match="not a config of this version"):
                configs.from_json(json.dumps(tree), "here")
            del holder[name]


def test_names_that_become_parts_of_paths_are_plain():
    tree = json.loads(configs.to_json(configs.default()))
    for section, of in (("tasks", tree["tasks"]["age"]), ("sets", {"path": "x.csv"})):
        for name in ("../x", "a/b", "", ".hidden", "a\nb", "~x", "x" * 300):
            odd = json.loads(json.dumps(tree))
            (odd["tasks"] if section == "tasks" else odd["data"]["sets"])[name] = of
            with pytest.raises(UserError, match="is called"):
                configs.from_json(json.dumps(odd), "here")


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (b"\x00", "cannot be imported: SyntaxError"),
        (b"raise RuntimeError('no')", "cannot be imported: RuntimeError: no"),
        (b"import sys; sys.exit('no')", "cannot be imported: SystemExit: no"),
    ],
)
def test_a_module_of_ones_own_that_fails_is_reported(tmp_path, monkeypatch, code, said):
    (tmp_path / "failing_module.py").write_bytes(code)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=said):
        resolve("failing_module:balance")
