"""A save that fails says one thing, and leaves no setting of the process changed."""

import gc
import resource
import sys
import threading
import time
import warnings
from logging import getLogger, makeLogRecord

import pytest

from agejax.checkpoints.checkpoint import Checkpoints
from agejax.errors import UserError
from tests.saved import CONFIG, state


def surroundings():
    loggers = [getLogger(name) for name in ("absl", "asyncio")]
    logging = [(logger.level, list(logger.filters)) for logger in loggers]
    return sys.unraisablehook, list(warnings.filters), logging


def test_a_disk_that_takes_no_more(tmp_path, capfd):
    checkpoints = Checkpoints(tmp_path)
    first = state(1)  # what it compiles may be kept in a file
    before, limits = surroundings(), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64, limits[1]))
    try:
        with pytest.raises(UserError, match="cannot be saved"):
            checkpoints.save(first, CONFIG)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    gc.collect()
    assert capfd.readouterr() == ("", "")
    assert surroundings() == before
    checkpoints.save(state(1), CONFIG)
    assert surroundings() == before
    assert checkpoints.latest() == 1


def test_importing_it_leaves_the_level_of_absl():
    from absl import logging

    assert logging.get_verbosity() == logging.WARNING


def test_another_thread_of_the_same_save_tells_nothing_afterwards(tmp_path, monkeypatch, capfd):
    class Late(threading.Thread):
        def run(self):
            time.sleep(0.2)
            getLogger("absl").handle(makeLogRecord({"pathname": "/orbax/x.py", "msg": "later"}))

    Late.__module__ = "orbax.futures"

    def save(*args, **kwargs):
        Late().start()
        raise OSError("no space")

    monkeypatch.setattr("orbax.checkpoint.Checkpointer.save", save)
    with pytest.raises(UserError, match="cannot be saved"):
        Checkpoints(tmp_path).save(state(1), CONFIG)
    assert not [thread for thread in threading.enumerate() if isinstance(thread, Late)]
    assert capfd.readouterr() == ("", "")
