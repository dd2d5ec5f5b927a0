"""`agejax calibrate`, and training with logit adjustment."""

import csv
import functools
import json

import numpy as np
import pytest

import agejax
from agejax.data.decode import BadImage, canonical, verify
from agejax.runtime.checkpoint import Checkpoints
from agejax.runtime.evaluate import evaluate, open_split
from agejax.runtime.loop import train
from agejax.runtime.model import abstract_model
from agejax.runtime.runs import of_the_run
from agejax.runtime.steps import predict_step_of
from agejax.train.augment import mirrored
from agejax.train.balance import logit_offset
from agejax.train.calibration import tempered
from tests.test_commands import agejax_command


@pytest.fixture
def calibrate(capsys, monkeypatch):
    return lambda *args: agejax_command(capsys, monkeypatch, "calibrate", *args)


def contents(folder):
    return {file: file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file()}


def test_rare_ages_get_their_due_and_the_run_stays_as_it_was(calibrate, run, tmp_path):
    before, out = contents(run), tmp_path / "new"
    code, said, err = calibrate(run, "-o", out, "--adjust", "0.5")
    assert (code, err.rpartition("\r")[2]) == (0, "")  # after the progress bar
    assert contents(run) == before
    assert said.splitlines()[-1].startswith(f"{out} has the same weights")
    old, new = agejax.load(run), agejax.load(out)
    pixels = np.random.default_rng(0).integers(0, 256, (4, 16, 16, 3), np.uint8)
    offset = np.array(new.calibration.offset["age"])
    expected = old.probabilities(pixels)["age"].astype(float) * np.exp(offset)
    expected /= expected.sum(-1, keepdims=True)
    np.testing.assert_allclose(new.probabilities(pixels)["age"], expected, rtol=1e-4, atol=1e-7)
    gender = [of.probabilities(pixels)["gender"] for of in (old, new)]
    np.testing.assert_array_equal(*gender)
    ages = open_split(of_the_run(run, {}), "train").labels["age"]
    counts = np.bincount(ages, minlength=101)
    np.testing.assert_allclose(offset, logit_offset(counts, 0.5, sigma=3.0))


def test_a_closer_mirror_image_is_a_second_view(calibrate, run, tmp_path):
    code, said, _ = calibrate(run, "-o", tmp_path / "new", "--mirror", "0.125")
    assert code == 0
    of_all = next(line.split() for line in said.splitlines() if line.startswith("all"))
    for folder, shown in ((run, of_all[2]), (tmp_path / "new", of_all[3])):
        figures = evaluate(of_the_run(folder, {"eval.split": "validation"}), folder)
        assert f"{figures['age']['mae']['median']:.2f}" == shown
    new, raw = agejax.load(tmp_path / "new"), predict_step(run)
    pixels = np.random.default_rng(0).integers(0, 256, (4, 16, 16, 3), np.uint8)
    closer = mirrored(pixels, cut=0.125)
    mean = (raw(pixels)["age"] + raw(closer)["age"]) / 2
    expected = tempered(np.asarray(mean), new.calibration.temperature["age"])
    np.testing.assert_allclose(new.probabilities(pixels)["age"], expected, rtol=1e-4, atol=1e-7)


def predict_step(run):
    """(pixels) -> the run's own probabilities, of one view, uncalibrated."""
    config = of_the_run(run, {})
    graph, like = abstract_model(config)
    checkpoints = Checkpoints(run, read_only=True)
    weights = checkpoints.weights(checkpoints.find("best"), like)
    return functools.partial(predict_step_of(config, graph), weights)


def test_without_adjustment_validation_teaches_the_same_again(calibrate, run, tmp_path):
    assert calibrate(run, "-o", tmp_path / "new")[0] == 0
    old, new = (agejax.load(folder).calibration for folder in (run, tmp_path / "new"))
    assert new.temperature == pytest.approx(old.temperature, rel=1e-4)
    assert new.widening == pytest.approx(old.widening, abs=1e-3)
    assert (new.n, new.offset) == (old.n, {})


def test_training_with_adjustment_is_calibrating_so_afterwards(calibrate, run, tiny, tmp_path):
    calibrate(run, "-o", tmp_path / "after", "--adjust", "0.5", "--checkpoint", "30")
    tiny.tasks.age.logit_adjustment = 0.5
    train(tiny, tmp_path / "within")
    after, within = (
        Checkpoints(tmp_path / name, read_only=True).calibration(30) for name in ("after", "within")
    )
    assert within.offset == after.offset
    assert within.temperature == pytest.approx(after.temperature, rel=1e-4)
    # And what it shows in validation is what evaluation finds.
    figures = evaluate(
        of_the_run(tmp_path / "within", {"eval.split": "validation", "eval.checkpoint": "30"}),
        tmp_path / "within",
    )
    lines = (tmp_path / "within" / "metrics.jsonl").read_text().splitlines()
    logged = next(x["validation"] for x in map(json.loads, lines) if x["step"] == 30)
    assert figures["age"]["mae"] == pytest.approx(logged["age"]["mae"], abs=1e-4)


def test_faces_of_ones_own_teach(calibrate, run, archives, tmp_path):
    paths = sorted(archives.glob("wiki_crop/*/*.jpg"))[:40]
    table = tmp_path / "faces.csv"
    with table.open("w", newline="") as file:
        rows = [(path, 30 + i, "female", "validation") for i, path in enumerate(good(paths))]
        csv.writer(file).writerows([("path", "age", "gender", "split"), *rows])
    code, said, _ = calibrate(run, "-o", tmp_path / "new", "--faces", table)
    assert code == 0
    assert f"what these {len(rows)} faces have taught" in said
    new, old = (agejax.load(folder).calibration for folder in (tmp_path / "new", run))
    assert new.n == len(rows)
    assert new.widening != old.widening
    # Where its data are is still the run's own affair.
    assert evaluate(of_the_run(tmp_path / "new", {}), tmp_path / "new")["n"] > 0


def good(paths):
    for path in paths:
        try:
            verify(canonical(path.read_bytes()))
        except BadImage:
            continue
        yield path


def test_what_cannot_be_is_told_in_one_line(calibrate, run, tmp_path):
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "file").write_text("mine")
    for args, said in (
        ((run, "-o", run), "is taken"),
        ((run, "-o", tmp_path / "taken"), "is taken"),
        ((run, "-o", tmp_path / "new", "--adjust", "2"), "from 0 to 1"),
        ((run, "-o", tmp_path / "new", "--adjust", "nan"), "a finite number"),
        ((run, "-o", tmp_path / "new", "--mirror", "0.5"), "in [0, 0.5)"),
        ((run, "-o", tmp_path / "new", "--split", "tset"), "no split 'tset'"),
        ((tmp_path, "-o", tmp_path / "new"), "no trained run here"),
        ((run, "-o", "/proc/new"), "/proc/new"),
    ):
        code, out, err = calibrate(*args)
        assert (code, out) == (2, "")
        assert said in err
        assert err.count("\n") == 1
    assert not (tmp_path / "new").exists()


def test_the_new_run_has_no_training_to_go_on_with(calibrate, run, launch, tmp_path):
    calibrate(run, "-o", tmp_path / "new")
    child = launch("--workdir", str(tmp_path / "new"), "--config.train.steps=60")
    _, err = child.communicate(timeout=120)
    assert child.returncode == 2
    assert len(err.splitlines()) == 1
    assert "training" in err
