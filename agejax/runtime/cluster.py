"""Several processes that train one run: where each stands, how they wait for one another.

What a launcher says of a process is read by JAX's own detectors (SLURM, Open MPI, Kubernetes, Cloud
TPU); here is what they leave open. This room alone uses parts of JAX that are not public: its
detectors and its key-value store, as Orbax does.
"""

import contextlib
import dataclasses
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jax
from jax._src import distributed
from jax._src.clusters import ClusterEnv

from agejax.errors import Stopped, UserError, one_line
from agejax.runtime.relay import Relay
from agejax.runtime.watchdog import LOST, Watchdog

_TIMEOUT = 300  # seconds in which all processes have to be there
_A_DAY = 24 * 60 * 60 * 1000  # milliseconds: process 0 may build a data set while the others wait


@dataclasses.dataclass(frozen=True)
class Place:
    """One process among those of a run.

    Attributes:
      coordinator: "HOST:PORT" at which process 0 listens.
      processes: how many there are.
      process: which this is, from 0 on.
      devices: those of this machine's accelerators that are this process's; None for all.
    """

    coordinator: str
    processes: int
    process: int
    devices: tuple[int, ...] | None = None


def find_place(
    coordinator: str | None = None,
    processes: int | None = None,
    process: int | None = None,
) -> Place | None:
    """This process's place, as it is given or, where it is not, as the launcher tells it.

    None where this process is the only one.

    Raises:
      UserError: some of it is given, and the rest cannot be found out; or it cannot be meant.
    """
    given = (coordinator, processes, process)
    if None not in given:
        found: tuple[Any, ...] = (*given, _devices(os.environ))
    elif not _launched(os.environ) and given == (None, None, None):
        return None
    else:
        found = _detected(*given)
    place = Place(*found)
    host, _, port = place.coordinator.rpartition(":")
    if not host or not port.isdecimal():
        raise UserError(f"--coordinator is {place.coordinator!r}; it must be HOST:PORT")
    if not 0 <= place.process < place.processes:
        raise UserError(
            f"this is process {place.process} of {place.processes}; they are counted from 0 on"
        )
    return place if place.processes > 1 else None


@contextlib.contextmanager
def joined(place: Place | None) -> Iterator[None]:
    """Within, this process is one of its run's, if there are several.

    Where one is lost, or ends before its time, the others end too, each with a line that says so
    and exit code 75 (EX_TEMPFAIL): the next start goes on from the last checkpoint. Errors are told
    in one line here already, since a process that the others wait for cannot simply go.
    """
    if place is None:
        yield
        return
    watchdog = _join(place)
    if place.process:
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
    try:
        with one_line():
            yield
    except Stopped as stopped:
        if stopped.together:
            watchdog.end(jax.distributed.shutdown)
            raise
        watchdog.leave(stopped.code)
    except SystemExit as left:
        watchdog.leave(left.code)
    except Exception as error:
        watchdog.blame(error)  # or it is what the loss of another process has led to
        raise
    watchdog.end(jax.distributed.shutdown)


def is_first() -> bool:
    """Whether this process is the one that writes."""
    return jax.process_index() == 0


def wait_for_all(what: str) -> None:
    """Returns once all processes have come here; `what` is to be done then, and names the place."""
    client = distributed.global_state.client
    if client is not None:
        _meetings[what] = _meetings.get(what, 0) + 1
        client.wait_at_barrier(f"agejax/{what}/{_meetings[what]}", _A_DAY)


_meetings: dict[str, int] = {}


@contextlib.contextmanager
def first_alone(what: str) -> Iterator[None]:
    """Has process 0 do what is within first, and the others then find it done."""
    if not is_first():
        wait_for_all(what)
    yield
    if is_first():
        wait_for_all(what)


def own_notes(workdir: Path, scratch: Path) -> Path:
    """Where this process writes what all of them would write alike: only process 0's is kept."""
    return workdir if is_first() else scratch


def _join(place: Place) -> Watchdog:
    relay = None
    address = place.coordinator
    if place.process:  # JAX aborts at once where process 0 goes; behind a relay it does not notice
        relay = Relay(place.coordinator, _TIMEOUT)
        address = relay.address
    try:
        jax.distributed.initialize(
            address,
            place.processes,
            place.process,
            place.devices,
            cluster_detection_method="deactivate",
            initialization_timeout=_TIMEOUT,
            heartbeat_timeout_seconds=LOST * 20,  # ours is faster, and says more
        )
    except (RuntimeError, ValueError) as error:
        raise UserError(
            f"process {place.process} of {place.processes} cannot join the others at "
            f"{place.coordinator}: {str(error).splitlines()[0]}"
        ) from error
    client = distributed.global_state.client
    return Watchdog(client, place.process, place.processes, relay)


def _launched(environment: Mapping[str, str]) -> bool:
    """Whether a launcher has started this process as one of several, perhaps."""
    tpu = "TPU_SKIP_MDS_QUERY" not in environment or "TPU_WORKER_HOSTNAMES" in environment
    return (
        ("SLURM_STEP_NODELIST" in environment and environment.get("SLURM_NTASKS") != "1")
        or environment.get("OMPI_COMM_WORLD_SIZE", "1") != "1"
        or {"KUBERNETES_SERVICE_HOST", "JOB_COMPLETION_INDEX"} <= environment.keys()
        or tpu
    )


def _detected(
    coordinator: str | None,
    processes: int | None,
    process: int | None,
) -> tuple[Any, ...]:
    if (size := os.getenv("OMPI_COMM_WORLD_SIZE")) is not None:  # JAX knows Open MPI 4 alone
        processes = processes or int(size)
        process = int(os.environ["OMPI_COMM_WORLD_RANK"]) if process is None else process
    try:
        found = ClusterEnv.auto_detect_unset_distributed_params(
            coordinator, processes, process, _devices(os.environ), None, _TIMEOUT
        )
    except Exception as error:  # of many kinds: no network, no rights, an odd environment
        raise UserError(f"the launcher's account of this process is odd: {error}") from error
    if found[:3] == (None, None, None):
        return ("localhost:0", 1, 0)
    names = ("--coordinator=HOST:PORT", "--processes=N", "--process=I")
    missing = [name for name, value in zip(names, found, strict=False) if value is None]
    if missing:
        raise UserError(
            f"this is one of several processes, but nothing tells {' and '.join(missing)}; "
            f"give {'it' if len(missing) == 1 else 'them'} to launch.py"
        )
    return (*found[:3], None if found[3] is None else tuple(found[3]))


def _devices(environment: Mapping[str, str]) -> tuple[int, ...] | None:
    """This process's GPUs where they are what the launcher lets it see; None where JAX may choose.

    JAX gives a process under SLURM or Open MPI the one GPU of its own number on the machine, which
    is wrong where it is alone there, and where the launcher shows each process its own alone.
    """
    seen = [gpu for gpu in environment.get("CUDA_VISIBLE_DEVICES", "").split(",") if gpu]
    here = environment.get("OMPI_COMM_WORLD_LOCAL_SIZE") or environment.get(
        "SLURM_STEP_TASKS_PER_NODE", ""
    )
    alone = here.partition("(")[0] == "1"
    return tuple(range(len(seen))) if seen and (alone or len(seen) == 1) else None
