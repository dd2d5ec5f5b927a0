"""Several processes that train one run: how they join, wait for one another, and end.

This room alone uses JAX's client of its key-value store, which is not public, as Orbax does.
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
    """Within, this process is one of its run's, if there are several.

    Where one is lost, or ends before its time, the others end too, each with a line that says so
    and exit code 75 (EX_TEMPFAIL): the next start goes on from the last checkpoint. Errors are told
    here already, since a process that the others wait for cannot simply go.
    """
    if place is None:
        yield
        return
    watchdog = _join(place)
    if place.process:  # all would say the same
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
    """Whether this process is the one that writes. Does not make JAX look for devices."""
    return distributed.global_state.process_id == 0


def wait_for_all(what: str) -> None:
    """Returns once all processes have come here; `what` is to be done then, and names the place."""
    client = distributed.global_state.client
    if client is not None:
        _meetings[what] = _meetings.get(what, 0) + 1
        client.wait_at_barrier(f"agejax/{what}/{_meetings[what]}", _A_DAY)


@contextlib.contextmanager
def first_alone(what: str) -> Iterator[None]:
    """Has process 0 do what is within first, and the others then find it done, or fail alike."""
    if not is_first():
        wait_for_all(what)
    try:
        yield
    finally:
        if is_first():
            wait_for_all(what)


def _join(place: Place) -> Watchdog:
    # gRPC would ask a proxy for this machine's own address, and JAX warns that it may.
    os.environ["no_grpc_proxy"] = "127.0.0.1"  # noqa: SIM112
    jax.config.update("jax_check_proxy_envs", False)
    # JAX aborts at once where process 0 goes; behind a relay it does not notice.
    relay = Relay(place.coordinator, TIMEOUT) if place.process else None
    try:
        jax.distributed.initialize(
            relay.address if relay else f"127.0.0.1:{place.port}",
            place.processes,
            place.process,
            place.devices,
            cluster_detection_method="deactivate",
            initialization_timeout=TIMEOUT,
            heartbeat_timeout_seconds=_A_DAY // 1000,  # ours is faster, and says more
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
    """All processes end here, and none is missed any more."""
    wait_for_all("end")
    watchdog.end()
    jax.distributed.shutdown()
