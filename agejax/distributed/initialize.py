"""Multi-process training: how processes join, synchronise and end.

Only this module uses JAX's client of its key-value store, which is not public; Orbax does so too.
"""

import contextlib
import os
import sys
from collections.abc import Iterator

import jax
from jax._src import distributed

from agejax.distributed.cluster_env import TIMEOUT, Place
from agejax.distributed.coordinator_proxy import Relay
from agejax.distributed.watchdog import Watchdog
from agejax.errors import Stopped, UserError, one_line

_A_DAY = 24 * 60 * 60 * 1000  # milliseconds: process 0 may build a data set while the others wait
_meetings: dict[str, int] = {}


@contextlib.contextmanager
def joined(place: Place | None) -> Iterator[None]:
    """Within this context, this process is a member of its run, if the run has several processes.

    If one is lost or ends early, the others end too, each with a one-line message and exit code 75
    (EX_TEMPFAIL): the next start resumes from the last checkpoint. Errors are reported here, since
    a process that others wait for cannot simply exit.
    """
    if place is None:
        yield
        return
    watchdog = _join(place)
    if place.process:  # all would print the same
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
    try:
        with one_line():
            yield
    except SystemExit as left:
        stopped = left.__cause__
        if not (isinstance(stopped, Stopped) and stopped.together):
            watchdog.leave(left.code)
        _part(watchdog)
        raise
    except Exception as error:
        watchdog.fail(error)
    _part(watchdog)


def is_first() -> bool:
    """Whether this process is the one that writes files. Does not initialise JAX's devices."""
    return distributed.global_state.process_id == 0


def wait_for_all(what: str) -> None:
    """A barrier for all processes; `what` names the work completed by then and the barrier."""
    client = distributed.global_state.client
    if client is not None:
        _meetings[what] = _meetings.get(what, 0) + 1
        client.wait_at_barrier(f"agejax/{what}/{_meetings[what]}", _A_DAY)


@contextlib.contextmanager
def first_alone(what: str) -> Iterator[None]:
    """Runs its body in process 0 first; the others then find the work done, or fail likewise."""
    if not is_first():
        wait_for_all(what)
    try:
        yield
    finally:
        if is_first():
            wait_for_all(what)


def _join(place: Place) -> Watchdog:
    # gRPC would use a proxy even for this machine's own address, and JAX warns about that.
    os.environ["no_grpc_proxy"] = "127.0.0.1"  # noqa: SIM112
    jax.config.update("jax_check_proxy_envs", False)
    # JAX aborts immediately when process 0 disconnects; behind a relay it does not notice.
    relay = Relay(place.coordinator, TIMEOUT) if place.process else None
    try:
        jax.distributed.initialize(
            relay.address if relay else f"127.0.0.1:{place.port}",
            place.processes,
            place.process,
            place.devices,
            cluster_detection_method="deactivate",
            initialization_timeout=TIMEOUT,
            heartbeat_timeout_seconds=_A_DAY // 1000,  # our watchdog is faster
        )
    except (RuntimeError, ValueError) as error:
        raise UserError(
            f"process {place.process} of {place.processes} cannot join the others at "
            f"{place.coordinator}: {str(error).splitlines()[0]}"
        ) from error
    client = distributed.global_state.client
    assert client is not None
    return Watchdog(client, place.process, place.processes, relay)


def _part(watchdog: Watchdog) -> None:
    """Ends all processes together: from here on none is reported as lost."""
    wait_for_all("end")
    watchdog.end()
    jax.distributed.shutdown()
