"""A run that is asked to stop saves at the next step, says how to go on, and ends as others do."""

import os
import signal
import subprocess
import sys
import threading

import pytest

from agejax.errors import Stopped
from agejax.training.signals import stop_by_signal
from tests.conftest import ROOT


def raise_in(stop, *numbers):
    with stop.at_step_boundaries():
        for number in numbers:
            signal.raise_signal(number)


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGHUP, 129)]
)
def test_within_training_a_signal_waits_for_the_step(number, code, capfd):
    with stop_by_signal(143, 130) as stop:
        stop.leave("nothing has happened")
        raise_in(stop, number)
        assert stop.asked
        with pytest.raises(Stopped) as stopped:
            stop.leave("runs/x is saved at step 5")
    assert stopped.value.code == code
    name = signal.Signals(number).name
    said = f"{name}: runs/x is saved at step 5; run the same command again to go on"
    assert stopped.value.message == said
    assert ("once more stops at once" in capfd.readouterr().err) == (number == signal.SIGINT)


def test_outside_of_training_it_ends_at_once():
    with stop_by_signal(15, 2) as stop, pytest.raises(Stopped) as stopped:
        signal.raise_signal(signal.SIGTERM)
    assert stopped.value.code == 15
    assert stop.asked


def test_a_hangup_that_is_ignored_as_nohup_has_it_stays_so():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with stop_by_signal(143, 130) as stop:
            raise_in(stop, signal.SIGHUP)
            assert not stop.asked
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_handlers_are_put_back():
    before = [signal.getsignal(n) for n in (signal.SIGTERM, signal.SIGINT)]
    with stop_by_signal(143, 130):
        assert [signal.getsignal(n) for n in (signal.SIGTERM, signal.SIGINT)] != before
    assert [signal.getsignal(n) for n in (signal.SIGTERM, signal.SIGINT)] == before
    assert signal.set_wakeup_fd(-1) == -1


def test_in_a_thread_nothing_is_changed():
    found = []

    def run():
        with stop_by_signal(143, 130) as stop:
            found.append((stop.asked, signal.getsignal(signal.SIGTERM)))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert found == [(False, signal.getsignal(signal.SIGTERM))]


BUSY = """
import hashlib
from agejax.errors import one_line
from agejax.training.signals import stop_by_signal
with one_line(), stop_by_signal(143, 130) as stop, stop.at_step_boundaries():
    print("busy", flush=True)
    hashlib.pbkdf2_hmac("sha256", b"", b"", 10**9)  # as while XLA compiles, no signal is handled
"""


def test_a_second_ctrl_c_ends_the_process_whatever_it_does():
    command = [sys.executable, "-c", BUSY]
    pipe = subprocess.PIPE
    process = subprocess.Popen(command, cwd=ROOT, stdout=pipe, stderr=pipe, text=True)
    try:
        assert process.stdout.readline() == "busy\n"
        process.send_signal(signal.SIGINT)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.3)
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130
    finally:
        process.kill()
        said, errors = process.communicate()
    assert said == ""
    assert errors in ("", "\ninterrupted: saving at the next step; once more stops at once\n")


class Signals:
    """A writer that has signals come at a step."""

    at: dict[int, int] = {}

    def __init__(self, workdir, config, after):
        pass

    def write(self, step, numbers):
        if step in self.at:
            os.kill(os.getpid(), self.at.pop(step))

    def close(self):
        pass


@pytest.mark.parametrize(
    ("at", "saved", "codes"),
    [
        ({8: signal.SIGTERM, 16: signal.SIGINT, 20: signal.SIGTERM}, (9, 17, 21), (143, 130, 143)),
        ({12: signal.SIGTERM, 16: signal.SIGHUP}, (13, 17), (7, 129)),
    ],
)
def test_stopped_and_run_again_it_equals_the_unbroken_run(
    run, tiny, tmp_path, capsys, at, saved, codes
):
    from agejax.checkpoints.checkpoint import Checkpoints
    from agejax.training.loop import train
    from tests.runs import assert_identical, metrics

    Signals.at = dict(at)
    tiny.writers = (Signals,)
    if 7 in codes:
        tiny.train.sigterm_code = 7
    for step, code in zip(saved, codes, strict=True):
        with pytest.raises(Stopped) as stopped:
            train(tiny, tmp_path, save_on_signal=True)
        assert stopped.value.code == code
        assert f"{tmp_path} is saved at step {step}; run the same" in stopped.value.message
        assert Checkpoints(tmp_path, read_only=True).latest() == step
    train(tiny, tmp_path)
    assert_identical(run, tmp_path)
    assert metrics(run) == metrics(tmp_path)
