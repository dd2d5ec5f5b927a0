import json
import random
import shutil
import signal
import time

import jax
import numpy as np
import pytest

from agejax.checkpoints.checkpoint import Checkpoints
from agejax.config import from_json
from agejax.errors import UserError
from agejax.training.loop import train
from tests.runs import assert_identical, leaves, metrics


def test_a_run_leaves_what_it_promises(run):
    assert from_json((run / "config.json").read_text(), "here").train.steps == 30
    lines = metrics(run)
    assert [line["step"] for line in lines] == [4, 6, 8, 12, 16, 18, 20, 24, 28, 30]
    assert all("loss" in line for line in lines if line["step"] % 4 == 0)
    assert [line["step"] for line in lines if "validation" in line] == [6, 12, 18, 24, 30]
    figures = json.loads((run / "eval" / "test.json").read_text())
    assert {"n", "step", "age", "gender", "baseline"} <= figures.keys()
    assert figures["age"]["mae"].keys() == {"argmax", "mean", "median"}


def test_latest_and_best_are_kept_and_best_is_the_lowest_validation_mae(run):
    mae = {
        line["step"]: line["validation"]["age"]["mae"]["median"]
        for line in metrics(run)
        if "validation" in line
    }
    best = min(mae, key=mae.get)
    checkpoints = Checkpoints(run, read_only=True)
    assert checkpoints.find("best") == best
    assert checkpoints.latest() == 30
    kept = {int(path.name) for path in (run / "checkpoints").iterdir()}
    assert kept == {best, 30}
    assert json.loads((run / "eval" / "test.json").read_text())["step"] == best


def test_killed_and_resumed_with_other_workers_ends_bit_identical(run, launch, tmp_path):
    workdir = tmp_path / "killed"
    at = random.Random(time.time_ns()).randint(7, 23)
    process = launch(f"--workdir={workdir}")
    log = workdir / "metrics.jsonl"
    while process.poll() is None and (not log.exists() or f'"step": {at}' not in log.read_text()):
        if log.exists() and any(line["step"] >= at for line in metrics_so_far(log)):
            break
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL, "it was over before it could be killed"
    done = Checkpoints(workdir, read_only=True).latest() or 0  # the first may be on its way
    assert done < 30

    process = launch(f"--workdir={workdir}", "--config.data.workers=3", "--config.data.cache_mib=0")
    out, err = process.communicate()
    assert process.returncode == 0, err
    assert f"step {done} of 30" in out
    assert_identical(run, workdir)
    assert metrics(run) == metrics(workdir)


def metrics_so_far(log):
    for line in log.read_text().splitlines():
        try:
            yield json.loads(line)
        except ValueError:
            return


def test_stopped_between_log_steps_the_log_is_the_same(run, tiny, tmp_path):
    tiny.train.steps = 18
    tiny.optim.schedule = _to_30
    train(tiny, tmp_path)
    tiny.train.steps = 30
    train(tiny, tmp_path)
    assert [line["step"] for line in metrics(tmp_path)] == [line["step"] for line in metrics(run)]
    assert metrics(tmp_path) == metrics(run)


def _to_30(learning_rate, steps):
    from agejax.optim import cosine

    del steps  # the schedule of the whole run, however far this part of it goes
    return cosine(learning_rate, 30)


def test_a_finished_run_is_only_evaluated_again(run, tiny):
    before = leaves(run)
    log = (run / "metrics.jsonl").read_text()
    train(tiny, run)
    jax.tree.map(np.testing.assert_array_equal, before, leaves(run))
    assert (run / "metrics.jsonl").read_text() == log


@pytest.mark.parametrize(
    ("key", "value"), [("seed", 3), ("train.batch_size", 32), ("model.args.widths", (16,))]
)
def test_another_run_in_the_same_folder_is_refused(run, tiny, key, value):
    section, _, name = key.rpartition(".")
    setattr(tiny if not section else _get(tiny, section), name, value)
    with pytest.raises(UserError, match=f"config.{key} was"):
        train(tiny, run)


def _get(config, section):
    for part in section.split("."):
        config = config[part]
    return config


def test_a_checkpoint_of_another_model_is_told_in_one_line(run, tiny):
    from agejax.steps.model_factory import abstract_model

    tiny.model.args.widths = (24,)
    _, like = abstract_model(tiny)
    checkpoints = Checkpoints(run, read_only=True)
    with pytest.raises(UserError, match="of another model") as error:
        checkpoints.weights(30, like)
    assert "\n" not in str(error.value)


def test_a_task_without_labels_is_told(tiny, tmp_path):
    with tiny.unlocked():
        tiny.tasks.race = {"classes": 5, "weight": 1.0}
    with pytest.raises(UserError, match="tasks are age, gender, race, but"):
        train(tiny, tmp_path)


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("train.steps", 0, "at least 1"),
        ("model.dtype", "float16", "float32"),
        ("train.ema", 1.0, r"\[0, 1\)"),
        ("train.accumulate", 5, "equal parts"),
        ("mode", "trian", "'train' or 'eval'"),
        ("data.min_face_score", 99.0, "score of 99"),
    ],
)
def test_settings_that_cannot_be_meant(tiny, tmp_path, key, value, said):
    section, _, name = key.rpartition(".")
    setattr(_get(tiny, section) if section else tiny, name, value)
    with pytest.raises(UserError, match=said):
        train(tiny, tmp_path)


def test_pixels_on_the_devices_and_several_steps_a_call_train_as_well(run, tiny, tmp_path):
    tiny.data.device_mib = 100
    tiny.train.steps_per_call = 2
    tiny.profile = True
    train(tiny, tmp_path)
    ours, theirs = metrics(tmp_path), metrics(run)
    assert [line["step"] for line in ours] == [line["step"] for line in theirs]
    for a, b in zip(ours, theirs, strict=True):
        if "loss" in b:
            assert a["loss"] == pytest.approx(b["loss"], rel=1e-3)
    assert list((tmp_path / "profile").rglob("*.xplane.pb"))


def test_steps_that_do_not_come_in_whole_calls_are_refused(tiny, tmp_path):
    tiny.train.steps_per_call = 4
    with pytest.raises(UserError, match=r"train\.steps is 30, no multiple of"):
        train(tiny, tmp_path)


def test_where_pixels_are_kept_may_change_when_a_run_goes_on(run, tiny, tmp_path):
    shutil.copytree(run, tmp_path / "run")
    tiny.data.update(device_mib=100, cache_dir=str(tmp_path / "cache"))
    train(tiny, tmp_path / "run")  # finished: only evaluated again


def test_a_table_of_attributes_that_is_not_there_is_told_before_training(tiny, tmp_path):
    tiny.eval.attributes = str(tmp_path / "none.csv")
    with pytest.raises(UserError, match=r"none\.csv; there is no such file"):
        train(tiny, tmp_path / "run")
    assert not (tmp_path / "run").exists()
