"""Whole runs on four devices."""

import signal

import pytest

from agejax.checkpoints.provenance import read_sessions
from agejax.checkpoints.run_dir import of_the_run
from agejax.errors import Stopped, UserError
from agejax.evaluation.evaluate import evaluate
from agejax.training.loop import train
from tests.runs import assert_identical, metrics
from tests.training.test_signals import Signals


def test_a_run_notes_its_devices(run):
    (session,) = read_sessions(run)
    assert session["machine"]["devices"] == "4 x cpu"
    assert "device_count=4" in session["environment"]["XLA_FLAGS"]


def test_stopped_and_continued_it_ends_bit_identical(run, tiny, tmp_path):
    Signals.at = {12: signal.SIGTERM}
    tiny.writers = (Signals,)
    with pytest.raises(Stopped):
        train(tiny, tmp_path, save_on_signal=True)
    train(tiny, tmp_path)
    assert_identical(run, tmp_path)


def test_pixels_on_the_devices_and_several_steps_a_call_train_as_well(run, tiny, tmp_path):
    tiny.data.device_mib = 100
    tiny.train.steps_per_call = 2
    train(tiny, tmp_path)
    for a, b in zip(metrics(tmp_path), metrics(run), strict=True):
        assert a["step"] == b["step"]
        if "loss" in b:
            assert a["loss"] == pytest.approx(b["loss"], rel=1e-3)


def test_a_batch_that_the_devices_cannot_share_is_refused(run, tiny, tmp_path, monkeypatch):
    tiny.train.batch_size = 18
    with pytest.raises(UserError, match="cannot be split equally over 4 devices"):
        train(tiny, tmp_path)
    monkeypatch.setattr("agejax.evaluation.evaluate.open_split", lambda *_: pytest.fail("opened"))
    with pytest.raises(UserError, match="cannot be split equally over 4 devices"):
        evaluate(of_the_run(run, {"eval.batch_size": 30}), run)
