"""One run a folder, and what a dead one has left is taken over."""

import errno
import fcntl
import json
import os
import re
import signal
import socket
import subprocess
import sys

import pytest

from agejax.checkpoints.lock import NAME, one_run
from agejax.errors import UserError
from tests.conftest import ROOT

HOLDER = """
import sys, time
from pathlib import Path
from agejax.checkpoints.lock import one_run
with one_run(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    """A process that holds `tmp_path`."""
    command = [sys.executable, "-c", HOLDER, str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


@pytest.fixture
def no_locks(monkeypatch):
    """A file system that has none."""

    def flock(descriptor, operation):
        raise OSError(errno.ENOTSUP, os.strerror(errno.ENOTSUP))

    monkeypatch.setattr(fcntl, "flock", flock)


def written(folder, **owner):
    ours = {"pid": 1, "host": socket.gethostname(), "since": "yesterday", "birth": "0"}
    (folder / NAME).write_text(json.dumps(ours | owner))


def enter(folder):
    with one_run(folder):
        pass


def test_a_second_run_is_refused_in_a_line_that_names_the_first(tmp_path, holder):
    before = (tmp_path / NAME).read_bytes()
    with pytest.raises(UserError) as error:
        enter(tmp_path)
    assert re.fullmatch(
        rf"{tmp_path}: another run is at work there: process {holder.pid} on \S+, since \S+; wait "
        r"for it, stop it, or give this one its own --workdir",
        str(error.value),
    )
    assert (tmp_path / NAME).read_bytes() == before
    assert os.listdir(tmp_path) == [NAME]


def test_the_lock_of_a_killed_run_is_taken_over(tmp_path, holder, caplog):
    caplog.set_level("INFO", "agejax")
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    enter(tmp_path)
    (line,) = caplog.messages
    assert f"taken over from a run that died (process {holder.pid}" in line
    enter(tmp_path)  # which ended as it should
    assert caplog.messages == [line]


@pytest.mark.parametrize("text", ["", "{", "[]", "3", '{"pid": "x"}', "\0" * 5000])
@pytest.mark.parametrize("locks", [True, False])
def test_a_lock_that_was_not_written_whole_is_taken_over(tmp_path, text, locks, request):
    if not locks:
        request.getfixturevalue("no_locks")
    (tmp_path / NAME).write_text(text)
    if not locks and "pid" in text:
        pytest.skip("an owner on a machine that is not told may live")
    with one_run(tmp_path):
        assert json.loads((tmp_path / NAME).read_text())["pid"] == os.getpid()
    assert (tmp_path / NAME).read_text() == ""


def test_without_locks_a_living_owner_is_believed(tmp_path, holder, no_locks):
    with pytest.raises(UserError, match=f"process {holder.pid}"):
        enter(tmp_path)
    holder.kill()
    holder.wait()
    enter(tmp_path)


def test_without_locks_another_process_of_the_same_number_is_no_owner(tmp_path, holder, no_locks):
    written(tmp_path, pid=holder.pid, birth="12")
    enter(tmp_path)


def test_without_locks_an_owner_on_another_machine_may_live(tmp_path, no_locks):
    written(tmp_path, host="elsewhere")
    with pytest.raises(UserError, match="process 1 on elsewhere, since yesterday"):
        enter(tmp_path)


def test_a_folder_that_cannot_be_made_is_the_systems_word(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        enter(tmp_path / "file" / "run")
