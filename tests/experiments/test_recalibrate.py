"""`agejax calibrate`, and training with logit adjustment."""

import csv
import errno
import functools
import json
import shutil

import numpy as np
import pytest

import agejax
from agejax.checkpoints.checkpoint import Checkpoints
from agejax.checkpoints.run_dir import licence_of, of_the_run
from agejax.data.decode import BadImage, canonical, verify
from agejax.errors import UserError
from agejax.evaluation.evaluate import evaluate
from agejax.evaluation.open_split import open_split
from agejax.experiments.recalibrate import recalibrate
from agejax.losses.balance import logit_offset
from agejax.metrics.calibration import tempered
from agejax.steps.augment import mirrored
from agejax.steps.model_factory import abstract_model
from agejax.steps.step_factory import predict_step_of
from agejax.training.loop import train
from tests.commands import agejax_command

pytestmark = pytest.mark.usefixtures("quick_compilation")


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
    assert calibrate(out, "-o", tmp_path / "back", "--adjust", "0")[0] == 0
    back = agejax.load(tmp_path / "back").calibration
    assert back.offset == {}
    assert back.temperature == pytest.approx(old.calibration.temperature, rel=1e-4)
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
        rows = [(path, 30 + i, "", "validation") for i, path in enumerate(good(paths))]
        csv.writer(file).writerows([("path", "age", "gender", "split"), *rows])
    code, said, _ = calibrate(run, "-o", tmp_path / "new", "--faces", table)
    assert code == 0
    assert f"a calibration fitted on {len(rows)} faces" in said
    new, old = (agejax.load(folder).calibration for folder in (tmp_path / "new", run))
    assert new.n == len(rows)
    assert new.widening["age"] != old.widening["age"]
    assert new.temperature["gender"] == old.temperature["gender"]  # of which these tell nothing
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
        ((run, "-o", run), "already exists"),
        ((run, "-o", tmp_path / "taken"), "already exists"),
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
    assert "holds weights alone, as `agejax calibrate` writes them" in err


def test_a_setting_that_needs_other_weights_is_refused(run, tmp_path):
    with pytest.raises(UserError, match=r"config.model.head_width is for training"):
        recalibrate(run, tmp_path / "new", settings={"model.head_width": 8})


def test_training_faces_do_not_teach(calibrate, run, tiny, tmp_path):
    assert (
        "cannot be fitted on the training faces"
        in calibrate(run, "-o", tmp_path / "new", "--split", "train")[2]
    )
    faces = open_split(tiny, "train")
    (tmp_path / "images").mkdir()
    lines = ["path,age"]
    for i, jpeg in enumerate(faces.read(np.arange(3))):
        (tmp_path / "images" / f"{i}.jpg").write_bytes(jpeg)
        lines.append(f"images/{i}.jpg,{20 + i}")
    (tmp_path / "faces.csv").write_text("\n".join(lines))
    args = ("--faces", tmp_path / "faces.csv", "--split", "all")
    code, _, err = calibrate(run, "-o", tmp_path / "new", *args)
    assert code == 2
    assert "the run was trained on all of its faces" in err


def test_a_run_whose_data_has_moved_or_is_gone(calibrate, run, built, archives, tmp_path):
    moved = tmp_path / "moved"
    shutil.copytree(run, moved)
    config = json.loads((moved / "config.json").read_text())
    config["data"].update(manual_dir="/nowhere", data_dir="/nowhere")
    (moved / "config.json").write_text(json.dumps(config))
    table = tmp_path / "faces.csv"
    paths = [str(path) for path in good(sorted(archives.glob("wiki_crop/*/*.jpg"))[:15])]
    table.write_text("\n".join(["path,age", *(f"{path},{30 + i}" for i, path in enumerate(paths))]))
    args = (moved, "--faces", table, "--split", "all", "--adjust", "0.3")
    here = ("--manual-dir", archives, "--data-dir", built)
    assert calibrate(*args, "-o", tmp_path / "a", *here)[0] == 0
    assert "needs the class frequencies" in calibrate(*args, "-o", tmp_path / "b")[2]
    assert calibrate(*args[:-2], "-o", tmp_path / "c")[0] == 0
    assert licence_of(tmp_path / "a").startswith("Apache-2.0")  # of the painted faces


def test_a_disk_that_takes_no_more_leaves_no_checkpoint(run, tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("agejax.checkpoints.checkpoint.shutil.copytree", full)
    with pytest.raises(UserError, match="cannot be written .*No space left"):
        recalibrate(run, tmp_path / "new")
    assert not any((tmp_path / "new" / "checkpoints").iterdir())
