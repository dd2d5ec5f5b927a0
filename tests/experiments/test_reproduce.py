"""What a run was made with, and whether it can be had again."""

import dataclasses
import json
import shlex
import shutil
import sys

import numpy as np
import pytest

from agejax.checkpoints.provenance import (
    differing,
    fingerprint,
    note_session,
    read_sessions,
    surroundings,
)
from agejax.evaluation.open_split import open_split
from agejax.training.loop import train
from tests.commands import agejax_command
from tests.config.test_tasks import with_age

pytestmark = pytest.mark.usefixtures("quick_compilation")


def own_loss(logits, label):
    return -logits[:, 0] * (label == 0)


@pytest.fixture
def splits(tiny):
    faces = open_split(tiny, "train")
    return {"train": faces, "validation": open_split(tiny, "validation").without(faces)}


def test_a_run_says_what_it_was_made_with(run, tiny, splits):
    (session,) = read_sessions(run)
    assert session["step"] == 0
    assert session["steps"] == 30
    assert session["command"].endswith(shlex.join(sys.orig_argv[1:]))
    assert len(session["weights"]) == 64
    assert session["data"]["train"]["faces"] == len(splits["train"])
    assert session["machine"]["devices"] == "1 x cpu"
    assert session["versions"]["jax"].count(".") >= 2
    assert session["started"].endswith("+00:00")
    now = surroundings(tiny, splits)
    assert list(differing({k: v for k, v in session.items() if k != "weights"}, now)) == []


@pytest.mark.parametrize("column", ["path", "sha256", "labels", "known", "person"])
def test_a_fingerprint_is_of_all_that_a_face_has(splits, column):
    faces = splits["validation"]
    old = getattr(faces, column)
    if isinstance(old, dict):
        new = {task: value.copy() for task, value in old.items()}
        new["age"][3] = 1 - new["age"][3]
    else:
        new = old.copy()
        new[3] = new[4] + ("" if new[3] != new[4] else "x")
    changed = dataclasses.replace(faces, **{column: new})
    assert fingerprint(changed) != fingerprint(faces)
    assert fingerprint(dataclasses.replace(faces)) == fingerprint(faces)


def test_code_of_the_users_own_is_told_apart(tiny, splits):
    config = with_age(tiny, loss=own_loss)
    code = surroundings(config, splits)["code"]
    assert list(code) == ["agejax", __name__]


def test_sessions_that_had_no_part_in_the_weights_are_dropped(tiny, splits, tmp_path):
    weights = {"params": {"a": np.ones(3)}, "stats": {}}
    for step in (0, 0, 6, 12, 6):
        note_session(tmp_path, tiny, step, weights, splits)
    assert [session["step"] for session in read_sessions(tmp_path)] == [0, 6]


def test_repeat_gives_the_same_weights(run, tiny, tmp_path, capsys, monkeypatch):
    tiny.train.update(steps=6, eval_every=3)
    first, again = tmp_path / "first", tmp_path / "again"
    train(tiny, first)
    capsys.readouterr()
    code, out, _ = agejax_command(capsys, monkeypatch, "repeat", first, "--workdir", again)
    assert code == 0
    assert (
        out.splitlines()[0]
        == "versions, code, data, machine and settings are the same as the run's"
    )
    assert out.splitlines()[-2:] == [
        "the latest weights (step 6): bit-identical",
        f"the best weights (step {6 if 'best weights (step 6)' in out else 3}): bit-identical",
    ]

    # One that was made with something else, and whose weights are others'.
    sessions = json.loads((first / "run.json").read_text())
    sessions[0]["versions"]["jax"] = "0.1"
    sessions[0]["data"]["train"]["sha256"] = "0" * 64
    sessions[0]["weights"] = "1" * 64
    (first / "run.json").write_text(json.dumps(sessions))
    shutil.rmtree(again)
    tiny.seed = 1
    train(tiny, tmp_path / "other")
    shutil.rmtree(first / "checkpoints")
    shutil.copytree(tmp_path / "other" / "checkpoints", first / "checkpoints")
    capsys.readouterr()
    code, out, _ = agejax_command(capsys, monkeypatch, "repeat", first, "--workdir", again)
    assert code == 1
    assert "differs: data.train.sha256 was 000000000000... and is " in out
    assert "differs: versions.jax was 0.1 and is " in out
    assert "differs: the initial weights" in out
    assert "arrays differ, by at most " in out.splitlines()[-2]


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["{tmp}"], "no trained run"),
        (["{run}", "--workdir", "{run}"], "in its own folder"),
        (["{run}", "--set", "seed=4"], "not a repetition: config.seed was 0 and is now 4"),
        (["{run}", "--set", "config.data.mnual_dir=x"], "did you mean config.data.manual_dir"),
        (["{run}", "--set", "nonsense"], "give it as KEY=VALUE"),
        (["{run}", "--set", "train.steps=60"], "at step 30 of 60: not finished"),
        (["{odd}"], "run.json: cannot be read"),
    ],
)
def test_what_cannot_be_repeated_is_one_line(run, tmp_path, capsys, monkeypatch, args, said):
    shutil.copytree(run, tmp_path / "odd")
    (tmp_path / "odd" / "run.json").write_text('[{"step": "one"}]')
    fill = lambda text: text.format(run=run, tmp=tmp_path, odd=tmp_path / "odd")
    code, out, err = agejax_command(capsys, monkeypatch, "repeat", *map(fill, args))
    assert (code, out) == (2, "")
    assert err.count("\n") == 1, err
    assert said in err


def test_links_in_a_circle_are_no_run(tmp_path, capsys, monkeypatch):
    (tmp_path / "loop").symlink_to("loop")
    code, _, err = agejax_command(capsys, monkeypatch, "repeat", tmp_path / "loop")
    assert code == 2
    assert err.startswith("error: ")
    assert err.count("\n") == 1
