"""A fork of a process in which JAX is at work would wait for ever: it is told at once."""

import os
import warnings

import pytest

from agejax.errors import UserError


def in_a_fork(work) -> str:
    """What `work` raises in a forked process, or what it gives."""
    out, into = os.pipe()
    with warnings.catch_warnings(action="ignore"):  # JAX's own, of forks
        pid = os.fork()
    if not pid:
        try:
            said = str(work())
        except BaseException as error:
            said = f"{type(error).__name__}: {error}"
        os.write(into, said.encode())
        os._exit(0)
    os.close(into)
    with open(out, "rb") as pipe:
        said = pipe.read().decode()
    os.waitpid(pid, 0)
    return said


@pytest.fixture
def predictor(run):
    from agejax.inference.predictor import load

    return load(run)


def test_a_loaded_model_and_a_new_one_fail_at_once_in_a_fork(predictor, run):
    from agejax.inference.predictor import load

    faces = [bytes(3)]
    for work in (
        lambda: list(predictor.read(faces)),
        lambda: predictor.warm_up(),
        lambda: load(run),
        lambda: load(run).warm_up(),
    ):
        said = in_a_fork(work)
        assert said.startswith("UserError: this process was forked")
        assert "spawn" in said


def test_training_fails_at_once_in_a_fork(predictor, tiny, tmp_path):
    from agejax.training.loop import train

    assert "spawn" in in_a_fork(lambda: train(tiny, tmp_path))


def test_the_process_itself_goes_on(predictor):
    in_a_fork(lambda: None)
    predictor.warm_up()


def test_a_fork_before_jax_is_at_work_is_free(monkeypatch):
    from agejax.utils import forks

    monkeypatch.setattr(forks.xla_bridge, "backends_are_initialized", lambda: False)
    assert in_a_fork(forks.check_not_forked) == "None"


def test_what_is_asked_in_a_fork_is_an_error_of_ours():
    from agejax.utils import forks

    forks._orphan = True
    try:
        with pytest.raises(UserError, match="spawn"):
            forks.check_not_forked()
    finally:
        forks._orphan = False
