"""Whatever becomes of a checkpoint, the newest good one is used and the damaged one is kept."""

import errno
import json
import os
import shutil

import jax
import numpy as np
import orbax.checkpoint as ocp
import pytest

from agejax.checkpoints import manifest
from agejax.checkpoints.checkpoint import Checkpoints
from agejax.errors import UserError
from agejax.types import weights_of
from tests.saved import CONFIG, KINDS, contents, damaged, same, save, state


@pytest.fixture
def workdir(tmp_path):
    """A run with checkpoints of steps 1, the best, and 2."""
    save(tmp_path, 1, 2, mae=lambda step: step)
    return tmp_path


def flip(file):
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)


def test_a_state_comes_back_to_the_bit(workdir):
    checkpoints = Checkpoints(workdir)
    assert (checkpoints.latest(), checkpoints.find("best")) == (2, 1)
    assert same(checkpoints.state(2, like=state(9)), state(2))
    assert same(checkpoints.weights(1, like=weights_of(state(9))), dict(weights_of(state(1))))
    assert checkpoints.config(1) == CONFIG


def another(step):
    """A state of which an array has another shape."""
    found = state(step)
    found["opt"]["mu"]["one"]["b"] = np.ones(7)
    return found


def test_another_model_is_told(workdir):
    with pytest.raises(UserError, match=r"another model: 1 arrays.*opt.mu.one.b.*\(5,\) there"):
        Checkpoints(workdir).state(2, like=another(9))


def test_a_damaged_latest_is_set_aside_and_the_one_before_it_used(workdir, caplog):
    caplog.set_level("INFO", "agejax")
    flip(workdir / "checkpoints" / "2" / "training" / "manifest.ocdbt")
    before = contents(workdir / "checkpoints" / "2")
    checkpoints = Checkpoints(workdir)
    assert (
        "checkpoints/2 is damaged: training/manifest.ocdbt is damaged; it is set aside"
        in caplog.text
    )
    assert checkpoints.latest() == 1
    assert same(checkpoints.state(1, like=state(9)), state(1))
    assert contents(workdir / "checkpoints" / "damaged-2") == before
    save(workdir, 2, mae=lambda step: step)
    shutil.rmtree(workdir / "checkpoints" / "2" / "weights")
    assert Checkpoints(workdir).latest() == 1
    assert (workdir / "checkpoints" / "damaged-2-2").is_dir()


def test_readers_pass_a_damaged_one_over_and_leave_it(workdir, caplog):
    flip(workdir / "checkpoints" / "2" / "weights" / "manifest.ocdbt")
    before = contents(workdir)
    checkpoints = Checkpoints(workdir, read_only=True)
    assert checkpoints.find("latest") == checkpoints.find("best") == 1
    assert checkpoints.find("latest") == 1
    assert caplog.text.count("passed over") == 1
    with pytest.raises(UserError, match="2 is damaged: weights/manifest.ocdbt is damaged"):
        checkpoints.find("2")
    with pytest.raises(UserError, match="damaged"):
        checkpoints.weights(2, like=weights_of(state(9)))
    assert contents(workdir) == before


def test_where_the_best_is_damaged_the_next_best_takes_its_place(workdir):
    flip(workdir / "checkpoints" / "1" / "weights" / "manifest.ocdbt")
    assert Checkpoints(workdir, read_only=True).find("best") == 2


def test_without_a_good_one_there_is_none(workdir):
    for step in (1, 2):
        (workdir / "checkpoints" / str(step) / manifest.NAME).unlink()
    reader = Checkpoints(workdir, read_only=True)
    with pytest.raises(UserError, match="there are: none yet"):
        reader.find("best")
    assert Checkpoints(workdir).latest() is None


def test_what_was_never_finished_goes_without_a_word(workdir, caplog):
    caplog.set_level("INFO", "agejax")
    shutil.copytree(workdir / "checkpoints" / "2", workdir / "checkpoints" / "3.partial")
    (workdir / "checkpoints" / "1").rename(workdir / "checkpoints" / "1.removed")
    assert Checkpoints(workdir).latest() == 2
    assert [path.name for path in (workdir / "checkpoints").iterdir()] == ["2"]
    assert not caplog.messages


def read(run):
    """What a prediction and a resumed run want of step 2."""
    reader = Checkpoints(run, read_only=True)
    return reader.state(reader.find("2"), like=state(9))


def test_no_damage_is_silent(workdir, tmp_path_factory):
    """A hundredth of the battery's: no case restores into other arrays than were saved."""
    checkpoints, outcomes = workdir / "checkpoints", []
    steps = (checkpoints / "2", checkpoints / "1")
    run = tmp_path_factory.mktemp("damaged")
    for kind, _, _ in damaged(*steps, n=24, seed=3, into=run / "checkpoints" / "2"):
        with pytest.raises(UserError, match="checkpoints/2 is damaged"):
            read(run)
        outcomes.append(kind)
    assert set(outcomes) == set(KINDS)


@pytest.mark.parametrize("name", ["fsync", "replace", "rename"])
def test_a_disk_that_takes_no_more_leaves_the_earlier_ones(workdir, monkeypatch, name):
    """At the first and at a later one of the calls; the battery has every write fail."""
    before, checkpoints, real = contents(workdir), Checkpoints(workdir), getattr(os, name)
    for at in (0, 1, 3):
        calls = iter(range(1000))

        def full(*args, calls=calls, at=at, **kwargs):
            if next(calls) >= at:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return real(*args, **kwargs)

        monkeypatch.setattr(os, name, full)
        said = None
        try:
            checkpoints.save(state(3), CONFIG, 3.0)
        except UserError as error:
            said = str(error)
        finally:
            monkeypatch.setattr(os, name, real)
        if said is None:
            assert (name, at) != ("fsync", 0)
            break
        assert "checkpoints/3: this checkpoint cannot be saved" in said
        assert "No space left on device" in said
        assert "\n" not in said
        assert contents(workdir) == before
    checkpoints.save(state(3), CONFIG, 3.0)  # once there is room
    assert checkpoints.latest() == 3


class _Killed(BaseException):
    """Stands for a kill: nothing catches it."""


@pytest.mark.parametrize("name", ["fsync", "replace", "rename"])
def test_a_kill_within_a_save_leaves_an_earlier_one_or_the_new_one(workdir, monkeypatch, name):
    real = getattr(os, name)
    for at in range(0, 100, 7):
        copy = shutil.copytree(workdir, workdir.parent / f"{workdir.name}-{at}")
        calls = iter(range(1000))

        def killed(*args, calls=calls, at=at, **kwargs):
            if next(calls) == at:
                raise _Killed
            return real(*args, **kwargs)

        monkeypatch.setattr(os, name, killed)
        try:
            Checkpoints(copy).save(state(3), CONFIG, 3.0)
        except _Killed:
            over = False
        else:
            over = True
        monkeypatch.setattr(os, name, real)
        checkpoints = Checkpoints(copy)
        latest = checkpoints.latest()
        assert latest in (2, 3)
        assert same(checkpoints.state(latest, like=state(9)), state(latest))
        assert not list((copy / "checkpoints").glob("damaged*"))
        if over:
            break
    assert over


def test_saving_a_step_again_replaces_it(workdir):
    Checkpoints(workdir).save(jax.tree.map(lambda x: x, state(2)), CONFIG, 0.5)
    checkpoints = Checkpoints(workdir)
    assert checkpoints.find("best") == 2
    assert json.loads((workdir / "checkpoints/2/metrics/metrics").read_text()) == {"mae": 0.5}
    np.testing.assert_array_equal(checkpoints.state(2, like=state(9))["step"], 2)


def test_a_clock_that_jumps_within_a_save_costs_another_try(workdir, monkeypatch):
    orbax_save, lost = ocp.Checkpointer.save, [TimeoutError("completed 0/3 futures")]

    def once(self, *args, **kwargs):
        orbax_save(self, *args, **kwargs)
        if lost:
            raise lost.pop()

    monkeypatch.setattr(ocp.Checkpointer, "save", once)
    save(workdir, 3)
    checkpoints = Checkpoints(workdir)
    assert same(checkpoints.state(3, like=state(9)), state(3))
    assert not list(checkpoints.folder.glob("*.partial*"))
