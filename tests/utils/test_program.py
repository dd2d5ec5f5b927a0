"""What stands around a command: closed or full streams, signals, poor machines."""

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from agejax.errors import Stopped, UserError, one_line
from agejax.utils.program import (
    end_quietly_on_interrupt,
    ended_in_order,
    interrupt_as_usual,
    program,
)
from tests.commands import agejax_command
from tests.conftest import ROOT


@pytest.fixture
def ended(capsys):
    """What a command that does `work` ends with: exit code, stdout, stderr."""

    def end(work):
        with pytest.raises(SystemExit) as left, program():
            sys.exit(work())
        return left.value.code or 0, *capsys.readouterr()

    return end


def shell(body: str, redirected: str = "", **env: str) -> tuple[int, str, str]:
    """A command of its own in a shell, with its streams redirected."""
    lines = [
        "import sys",
        "from agejax.utils.program import program",
        f"with program():\n    {body}",
    ]
    command = f'exec "$0" -c "$1" {redirected}'
    done = subprocess.run(
        ["/bin/sh", "-c", command, sys.executable, "\n".join(lines)],
        cwd=ROOT,
        env=os.environ | env,
        capture_output=True,
        text=True,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize(
    ("body", "redirected", "code", "said"),
    [
        ("print('done')", ">&-", 0, ""),
        ("print('done')", ">&- 2>&- <&-", 0, ""),
        ("print(sys.stdin.buffer.read())", "<&-", 0, ""),
        ("sys.exit(f'{1/0}')", "2>&-", 1, ""),
        ("print('done')", ">/dev/full", 2, "error: standard output: No space left on device\n"),
        ("sys.exit(print('x'))", ">/dev/full", 2, "error: standard output: No space left"),
        ("print('note', file=sys.stderr)", "2>/dev/full", 0, ""),
        ("open('/nonexistent/x')", "2>/dev/full", 2, ""),
    ],
)
def test_streams_that_are_closed_or_full(body, redirected, code, said, unbuffered):
    done = shell(body, redirected, PYTHONUNBUFFERED=unbuffered)
    assert done[0] == code
    assert done[2].startswith(said)
    assert done[2].count("\n") == said.count("\n") or "full" in redirected


def test_a_file_that_is_opened_later_does_not_get_what_is_printed(tmp_path):
    file = tmp_path / "weights"
    code, _, err = shell(f"x = open({str(file)!r}, 'w'); x.write('w'); print('note')", ">&-")
    assert (code, err) == (0, "")
    assert file.read_text() == "w"


def test_what_the_encoding_lacks_is_escaped():
    code, out, _ = shell("print('caf\\u00e9')", PYTHONIOENCODING="ascii")
    assert (code, out) == (0, "caf\\xe9\n")


@pytest.mark.parametrize(
    "command", ["predict . --checkpoint .", "describe .", "crops .", "margin ."]
)
def test_what_only_prints_says_that_it_cannot(agejax_closed, command):
    code, err = agejax_closed(*command.split())
    assert code == 2
    assert err == "error: standard output is closed, and this prints what it finds\n"


@pytest.fixture
def agejax_closed(capsys, monkeypatch):
    """`agejax ARGS >&-` in this process: exit code and stderr."""

    def run(*args):
        monkeypatch.setattr(sys, "stdout", None)
        code, _, err = agejax_command(capsys, monkeypatch, *args)
        return code, err

    return run


def test_a_reader_that_has_gone_is_a_141(ended):
    def work():
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")

    assert ended(work) == (141, "", "")


def test_ctrl_c_is_a_line_and_a_130(ended):
    code, _, err = ended(lambda: signal.raise_signal(signal.SIGINT))
    assert (code, err.count("\n")) == (130, 1)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_leaves_nothing_half_written(ended, tmp_path, number, code):
    def work():
        beside = tmp_path / ".model.onnx.1"
        try:
            beside.touch()
            signal.raise_signal(number)
        finally:
            signal.raise_signal(number)  # a terminal that closes sends it more than once
            beside.unlink()

    assert ended(work) == (code, "", f"{signal.Signals(number).name}: ended before all was done\n")
    assert not list(tmp_path.iterdir())
    assert signal.getsignal(number) is signal.SIG_DFL


def test_a_signal_removes_a_checkpoint_that_is_being_written(tmp_path, monkeypatch):
    from agejax.checkpoints import checkpoint
    from tests.saved import CONFIG, state

    saving = checkpoint.Checkpoints(tmp_path)
    monkeypatch.setattr(checkpoint, "write_text", lambda *_: signal.raise_signal(signal.SIGTERM))
    with pytest.raises(Stopped), ended_in_order():
        saving.save_weights(5, state(5)["ema"], CONFIG, 1.0, checkpoint.Calibration())
    assert not list(saving.folder.iterdir())


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_that_comes_while_c_calls_python_ends_a_command_too(ended, number, code):
    from jax.errors import JaxRuntimeError

    def work():
        try:
            signal.raise_signal(number)
        except BaseException as error:  # as agejax.kernels.xla_ffi has it
            raise JaxRuntimeError(f"INTERNAL: {type(error).__name__}: {error}") from error

    assert ended(work)[0] == code


def test_signals_that_are_ignored_stay_so():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with ended_in_order():
            signal.raise_signal(signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)


def test_while_a_program_is_imported_ctrl_c_ends_it_without_a_word(monkeypatch):
    left = []
    monkeypatch.setattr(os, "_exit", left.append)
    end_quietly_on_interrupt()
    try:
        signal.raise_signal(signal.SIGINT)
    finally:
        interrupt_as_usual()
    assert left == [130]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_current_folder_that_is_gone_is_told(ended, tmp_path, monkeypatch):
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    code, _, err = ended(lambda: Path("x").absolute())
    assert code == 2
    assert err.startswith("error: the current folder no longer exists")
    assert ended(lambda: (tmp_path / "x").read_text())[2] == (
        f"error: {tmp_path}/x: No such file or directory\n"
    )


def test_commands_with_whole_paths_do_without_a_current_folder(capsys, monkeypatch, tmp_path):
    from tests.saved import save

    run = tmp_path / "run"
    save(run, 5)
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    code, out, err = agejax_command(capsys, monkeypatch, "verify", run)
    assert (code, err) == (0, "")
    assert "is whole" in out


def test_devices_that_are_not_there_are_a_line(ended, monkeypatch):
    from jax._src import xla_bridge

    monkeypatch.setenv("JAX_PLATFORMS", "nonsense")
    code, _, err = ended(lambda: xla_bridge.get_backend("nonsense"))
    assert (code, err.count("\n")) == (2, 1)
    assert "JAX finds no usable device of JAX_PLATFORMS=nonsense" in err


def test_too_little_memory_is_a_line(ended):
    def work():
        raise MemoryError

    assert ended(work) == (2, "", "error: this machine has too little memory for this command\n")


def test_errors_of_our_own_are_still_shown():
    with pytest.raises(ZeroDivisionError), one_line():
        raise ZeroDivisionError
    with pytest.raises(SystemExit, match="2"), one_line():
        raise UserError("no")


def test_the_package_can_be_run_as_a_module():
    out = subprocess.check_output([sys.executable, "-m", "agejax", "--help"], text=True, cwd=ROOT)
    assert out.startswith("usage: agejax")
