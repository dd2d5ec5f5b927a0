"""The weights in the package: here those of the tiny run stand in for them."""

import json
import logging

import numpy as np
import pytest

import agejax
from agejax import pretrained
from agejax.checkpoints import weights_file
from agejax.checkpoints.run_dir import read_checkpoint
from agejax.errors import UserError
from agejax.pretrained.model_card import figures_of, markdown
from agejax.steps.model_factory import make_model
from agejax.training.initial_weights import start_from_pretrained
from tests.commands import agejax_command
from tests.conftest import ROOT

CROP = np.full((1, 16, 16, 3), 127, np.uint8)


@pytest.fixture
def box(run, tmp_path, monkeypatch):
    """A package whose weights are those of the tiny run."""
    file, card = tmp_path / "faces.safetensors", tmp_path / "faces.json"
    with open(file, "wb") as out:
        digest = weights_file.write(out, read_checkpoint(run), "float16")
    about = pretrained.card()
    about["file"]["sha256"] = digest
    card.write_text(json.dumps(about))
    monkeypatch.setattr(pretrained, "FACES", file)
    monkeypatch.setattr(pretrained, "CARD", card)
    monkeypatch.chdir(tmp_path)
    return file


def test_they_are_loaded_where_no_run_is_named_and_said_once(box, caplog):
    with caplog.at_level(logging.INFO, "agejax"):
        found = agejax.load()
    [said] = [record.getMessage() for record in caplog.records]
    assert said.startswith("no run is named: the weights that come with agejax are used (FairFace")
    named = agejax.load(box)
    for task, p in found.probabilities(CROP).items():
        np.testing.assert_array_equal(p, named.probabilities(CROP)[task])


def test_other_weights_in_their_place_are_refused(box, run):
    with open(box, "wb") as out:
        weights_file.write(out, read_checkpoint(run), "float32")
    with pytest.raises(UserError, match="is not the file that agejax was published with"):
        agejax.load()
    agejax.load(box.rename(box.with_name("mine.safetensors")))


def test_where_there_are_none_it_is_one_line(box):
    box.unlink()
    with pytest.raises(UserError, match="no weights of its own: name a run or a file") as error:
        agejax.load()
    assert "\n" not in str(error.value)


def test_a_run_starts_from_them(box, tiny):
    tiny.model.pretrained = "agejax.pretrained:faces"
    weights, report = start_from_pretrained(tiny, make_model(tiny)[1])
    assert (report.skipped, report.new) == ((), ())
    assert report.where == str(box)


def test_commands_take_them_without_a_run(box, capsys, monkeypatch):
    from PIL import Image

    Image.fromarray(CROP[0]).save("face.png")
    code, out, err = agejax_command(capsys, monkeypatch, "predict", "face.png", "--crops", "--json")
    assert code == 0, err
    assert 0 <= json.loads(out)["age"] <= 100
    assert err.count("no run is named") == 1
    code, out, err = agejax_command(capsys, monkeypatch, "describe")
    assert code == 0, err
    assert "CC BY 4.0" in out
    assert "straddles 18" in out
    assert "16 px" in out
    code, out, err = agejax_command(capsys, monkeypatch, "describe", str(box), "--dry")
    assert code == 0, err
    code, out, err = agejax_command(capsys, monkeypatch, "export", "--to", "stablehlo")
    assert code == 0, err
    assert (box.parent / "export" / "faces.stablehlo").stat().st_size > 1000


def test_the_page_of_the_card_is_that_of_its_json():
    assert (ROOT / "docs" / "model_card.md").read_text(encoding="utf-8") == markdown(
        pretrained.card()
    )


def test_the_card_describes_the_file_beside_it():
    if not pretrained.FACES.is_file():
        pytest.skip("the weights are not in this tree")
    file = pretrained.card()["file"]
    assert file["bytes"] == pretrained.FACES.stat().st_size <= 12_000_000
    assert file["sha256"] == weights_file.contents_hash(pretrained.FACES)
    assert set(weights_file.read_config(pretrained.FACES).tasks) == {"age", "gender"}


def test_figures_of_an_evaluation_are_in_the_card(run):
    evaluation = json.loads((run / "eval" / "test.json").read_text())
    figures = figures_of(evaluation, ranges=False)
    page = markdown(pretrained.card() | {"figures": {"painted": figures}})
    assert f"| all | {evaluation['n']} | {evaluation['age']['mae']['median']:.2f} |" in page
    for name, of in evaluation["groups"]["gender"].items():
        assert f"| gender: {name} | {of['n']} |" in page
