"""What a sweep's file says, before anything runs."""

import string

import pytest

from agejax.config import differences, sweeps
from agejax.errors import UserError
from agejax.losses.row_losses import label_distribution, ordinal
from agejax.models.heads import Coral
from tests.tiny import get_config

HEAD = "from agejax.config.sweeps import *\nfrom tests.tiny import get_config\n"


@pytest.fixture
def read(tmp_path):
    def of(body, changes=None):
        file = tmp_path / "mine.py"
        file.write_text(HEAD + body)
        return sweeps.read(file, get_config(), changes or {})

    return of


def test_a_grid_has_every_combination_once_and_names_tell_them_apart():
    choices = {"optim.learning_rate": (1e-3, 1e-2), "tasks.age.loss": (label_distribution, "a/b c")}
    runs = dict(sweeps.grid(choices))
    assert list(runs) == [
        "learning_rate=0.001,loss=label_distribution",
        "learning_rate=0.001,loss=a-bc",
        "learning_rate=0.01,loss=label_distribution",
        "learning_rate=0.01,loss=a-bc",
    ]
    assert list(runs.values())[2] == {
        "optim.learning_rate": 1e-2,
        "tasks.age.loss": label_distribution,
    }


def test_random_search_is_the_same_again_and_longer_ones_begin_alike():
    draw = lambda rng: {"optim.learning_rate": 10 ** rng.uniform(-4, -2)}
    some = list(sweeps.random_search(3, draw))
    assert some == list(sweeps.random_search(5, draw))[:3]
    assert some != list(sweeps.random_search(3, draw, seed=1))
    rates = [changes["optim.learning_rate"] for _, changes in some]
    assert len(set(rates)) == 3
    assert all(1e-4 <= rate <= 1e-2 for rate in rates)


def test_seeds_are_folders_of_a_run():
    runs = dict(sweeps.with_seeds([("a", {"train.steps": 3}), ("b", get_config())], 2))
    assert list(runs) == ["a/seed0", "a/seed1", "b/seed0", "b/seed1"]
    assert runs["a/seed1"] == {"train.steps": 3, "seed": 1}
    assert (runs["b/seed0"].seed, runs["b/seed1"].seed) == (0, 1)


def test_a_file_without_get_sweep_is_none(read):
    assert read("") == {}


def test_changes_are_the_runs_own(read):
    runs = read("""
from agejax.models.heads import Coral
from agejax.losses.row_losses import label_distribution, ordinal
def get_sweep():
    args = {"loss": label_distribution, "loss_args": {"sigma": 3.0}}
    other = get_config()
    other.train.steps = 7
    return {"coral": {"tasks.age": {"head": Coral, "loss": ordinal}}, "wide": {"tasks.age": args},
            "args": {"model.args": {"dropout": 0.5}}, "whole": other}
""")
    assert list(runs) == ["coral", "wide", "args", "whole"]
    age = runs["coral"].tasks.age
    assert (age.head, age.loss, age.classes, runs["coral"].tasks.gender.classes) == (
        *(Coral, ordinal),
        *(101, 2),
    )
    assert runs["wide"].tasks.age.loss is label_distribution
    assert runs["wide"].tasks.age.loss_args.to_dict() == {"sigma": 3.0}
    assert runs["args"].model.args.to_dict() == {"dropout": 0.5}  # replaced, not mixed
    assert runs["whole"].train.steps == 7
    said = [line.split()[0] for line in differences(runs["coral"], get_config())]
    assert said == ["config.tasks.age.head", "config.tasks.age.loss"]


def test_the_command_line_changes_all_runs(read):
    runs = read(
        "def get_sweep():\n  yield 'a', {'seed': 3}\n  yield 'b', get_config()",
        {"train.steps": 9},
    )
    assert runs["b"].train.steps == 9
    assert runs["b"].seed == 0


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("return nobody", "mine.py, line 4: NameError"),
        ("return {}", "gives no run"),
        ("return 3", "line|TypeError"),
        ("return [1]", "TypeError"),
        ("return {'a': 3}", r"run a: a run is given as \{'section.key': value\}"),
        ("return {'a': {'trian.steps': 3}}", "run a: there is no config.trian.steps; did you mean"),
        ("return {'a': {'train.steps': 'many'}}", "run a: config.train.steps cannot be"),
        ("return {'a': {'tasks.rcae.loss': 3}}", "run a: config.tasks.rcae.loss cannot be"),
        ("return {'a': {'model.trunk': lambda: 0}}", "lambda"),
        ("return {'a': {'seed': 1}, 'b': {'seed': 1}}", "runs a and b are one and the same"),
        ("return [('a', {'seed': 1}), ('a', {'seed': 2})]", "two runs are called 'a'"),
        ("return {'../a': {}}", "outside the sweep's folder"),
        ("return {'/a': {}}", "outside the sweep's folder"),
        ("return {'a/./b': {}}", "must be that of a folder"),
        ("return {'': {}}", "must be that of a folder"),
        ("return {3: {}}", "must be that of a folder"),
        ("return {'a': {'seed': 1}, 'a/b': {'seed': 2}}", "'a/b' would lie inside the run 'a'"),
    ],
)
def test_a_sweep_that_cannot_be_meant_is_one_line(read, body, said):
    with pytest.raises(UserError, match=said) as error:
        read(f"def get_sweep():\n  {body}")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("key", ["seed", "optim.learning_rate"])
def test_the_command_line_cannot_set_what_the_sweep_varies(read, key):
    body = "def get_sweep():\n  yield 'a', {'seed': 1, 'optim': {'learning_rate': 0.1}}"
    with pytest.raises(UserError, match=f"so that --config.{key} cannot"):
        read(body, {key: 1})


def test_a_run_that_there_is_not():
    with pytest.raises(UserError, match="no run 'x'; it has a, b"):
        sweeps.one_of({"a": get_config(), "b": get_config()}, "x")


def test_names_are_plain_whatever_the_values_are(read):
    runs = read("""
def get_sweep():
    choices = {"model.args": ({"widths": (8, 16)}, {"widths": [8, 16, 32]}), "seed": (0, 1)}
    yield from with_seeds(grid({"augment.zoom": (1e-3, 1e22)}), 1)
    for name, changes in grid(choices):
        yield name, changes
    yield "größe 0.1*", {"train.steps": 7}
    yield "-", {"train.steps": 8}
    yield "x" * 300, {"train.steps": 9}
    yield "x" * 301, {"train.steps": 11}
""")
    for name in runs:
        assert set(name) <= set(string.ascii_letters + string.digits + "=,.-_/")
        assert all(len(part) <= 180 for part in name.split("/"))
    assert list(runs)[:7] == [
        *("zoom=0.001/seed0", "zoom=1e22/seed0"),
        *("args=widths-8,16,seed=0", "args=widths-8,16,seed=1"),
        *("args=widths-8,16,32,seed=0", "args=widths-8,16,32,seed=1", "gr--e0.1-"),
    ]
    assert {name: sweeps.plain_name(name) for name in runs} == {name: name for name in runs}


def test_values_that_read_alike_have_numbers():
    runs = sweeps.grid({"model.args": ({"a": [1]}, {"a": (1,)}, {"a": "1"})})
    assert [name for name, _ in runs] == ["args=a-1", "args=a-1,", "args=a-1-2"]


def test_folders_of_older_versions_are_found(tmp_path, read):
    old = tmp_path / "widths=[8, 16]" / "seed0"
    old.mkdir(parents=True)
    assert sweeps.folder_of(tmp_path, "widths=8,16/seed0") == old
    assert sweeps.folder_of(tmp_path, "widths=8,16/seed1") == old.parent / "seed1"
    assert sweeps.folder_of(tmp_path, "widths=9/seed0") == tmp_path / "widths=9" / "seed0"
    (tmp_path / "widths=(8,16)").mkdir()  # either may be meant
    assert sweeps.folder_of(tmp_path, "widths=8,16") == tmp_path / "widths=8,16"
    (tmp_path / "widths=8,16").mkdir()
    assert sweeps.folder_of(tmp_path, "widths=8,16") == tmp_path / "widths=8,16"
    runs = read("def get_sweep():\n  yield 'a b', {}")
    assert sweeps.one_of(runs, "a b") is sweeps.one_of(runs, "ab")
