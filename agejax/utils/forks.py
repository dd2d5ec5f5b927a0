"""Processes that are forks of one in which JAX had begun to work: its threads are not in them."""

import os

from jax._src import xla_bridge

from agejax.errors import UserError

_orphan = False


def check_not_forked() -> None:
    """Refuses at once what would wait for ever.

    Raises:
      UserError: this process was forked from one in which JAX had started its devices.
    """
    if _orphan:
        raise UserError(
            "this process was forked from one in which JAX was at work already, and would wait for "
            "ever; start it anew, with multiprocessing.get_context('spawn'), and load the model in "
            "there"
        )


def _note_fork() -> None:
    global _orphan
    _orphan = _orphan or xla_bridge.backends_are_initialized()


os.register_at_fork(after_in_child=_note_fork)
