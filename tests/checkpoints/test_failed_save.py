"""A save that fails says one thing, and leaves no setting of the process changed."""

import gc
import resource
import sys
import warnings
from logging import getLogger

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
    before, limits = surroundings(), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64, limits[1]))
    try:
        with pytest.raises(UserError, match="cannot be saved"):
            checkpoints.save(state(1), CONFIG)
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
