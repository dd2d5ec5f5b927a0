"""Training goes on while a checkpoint is written; what fails is told, and the next save waits."""

import threading

import jax
import jax.numpy as jnp
import pytest

from agejax.checkpoints.async_save import Saving
from agejax.checkpoints.checkpoint import Checkpoints
from agejax.errors import UserError
from tests.saved import CONFIG, same, state


class Held(Checkpoints):
    """Checkpoints whose saves begin when they may."""

    def __init__(self, workdir):
        super().__init__(workdir)
        self.may = threading.Event()

    def save(self, *args):
        assert self.may.wait(60)
        super().save(*args)


@pytest.fixture
def held(tmp_path):
    held = Held(tmp_path)
    yield held
    held.may.set()


def test_a_step_that_takes_the_state_does_not_change_what_is_saved(held):
    step = jax.jit(lambda s: jax.tree.map(lambda x: x + jnp.ones((), x.dtype), s), donate_argnums=0)
    saving, trained = Saving(held), state(1)
    saving.save(trained, CONFIG, 1.0)
    assert held.latest() is None
    step(trained)
    held.may.set()
    saving.wait()
    assert held.latest() == 1
    assert same(held.state(1, like=state(9)), state(1))
    saving.close()


def test_the_next_save_waits_for_the_one_before(held):
    saving = Saving(held)
    saving.save(state(1), CONFIG, 1.0)
    saving.check()
    threading.Timer(0.2, held.may.set).start()
    saving.save(state(2), CONFIG, 2.0)
    assert 1 in Checkpoints(held.folder.parent, read_only=True)._folders.steps()
    saving.close()
    assert held.latest() == 2


def test_a_save_that_fails_is_told_once(tmp_path, monkeypatch):
    saving = Saving(Checkpoints(tmp_path))
    monkeypatch.setattr(Checkpoints, "_finish", lambda *args: 1 / 0)
    for told in (saving.wait, lambda: saving.save(state(2), CONFIG)):
        saving.save(state(1), CONFIG)
        with pytest.raises(UserError, match="1: this checkpoint cannot be saved"):
            told()
    saving.wait()
    saving.save(state(3), CONFIG)
    saving.close()
    with pytest.raises(UserError, match="3: this checkpoint cannot be saved"):
        saving.check()
    assert Checkpoints(tmp_path).latest() is None
