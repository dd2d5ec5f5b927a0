"""A process's rank and coordinator, from flags or from its launcher's environment.

JAX's own detectors cover SLURM, Open MPI 4, Cloud TPU and, with its package, Kubernetes; this
module covers the rest. The detectors are not public in JAX, and are used in this module only.
"""

import dataclasses
import importlib.util
import os
import re
import warnings
import zlib
from collections.abc import Mapping
from typing import Any

from jax._src import cloud_tpu_init
from jax._src.clusters import ClusterEnv

from agejax.errors import UserError

TIMEOUT = 300  # seconds within which all processes must have joined
_MORE_THAN_MPI_5 = {"OMPI_MCA_orte_hnp_uri", "SLURM_STEP_NODELIST"}  # these identify process 0


@dataclasses.dataclass(frozen=True)
class Place:
    """The position of a process within a run.

    Attributes:
      coordinator: "HOST:PORT" at which process 0 listens.
      processes: number of processes.
      process: index of this one, from 0.
      devices: the accelerators of this machine that belong to this process; None for all visible.
    """

    coordinator: str
    processes: int
    process: int
    devices: tuple[int, ...] | None = None

    @property
    def port(self) -> int:
        """The coordinator's port."""
        return int(self.coordinator.rpartition(":")[2])


def find_place(
    coordinator: str | None = None, processes: int | None = None, process: int | None = None
) -> Place | None:
    """This process's place, from flags or, if they are not given, from the launcher.

    None if this is the only process.

    Raises:
      UserError: some of it is given and the rest cannot be detected, or a value is not valid.
    """
    environment = os.environ
    given = (coordinator, processes, process)
    if processes == 1 or (given == (None, None, None) and not _launched(environment)):
        return None
    place = _found(environment, coordinator, processes, process)
    host, _, port = place.coordinator.rpartition(":")
    if not host or not port.isdecimal():
        raise UserError(f"--coordinator is {place.coordinator!r}; it must be HOST:PORT")
    if not 0 <= place.process < place.processes:
        raise UserError(
            f"this is process {place.process} of {place.processes}; they are counted from 0 on"
        )
    return place if place.processes > 1 else None


def _launched(environment: Mapping[str, str]) -> bool:
    """Whether a launcher may have started this process as one of several.

    A SLURM step with one task, and a pod of an indexed job that names no coordinator (as in a
    sweep), are separate runs.
    """
    tasks = environment.get("SLURM_STEP_NUM_TASKS", environment.get("SLURM_NTASKS", "1"))
    indexed = "JOB_COMPLETION_INDEX" in environment
    return (
        ("SLURM_STEP_NODELIST" in environment and tasks != "1")
        or environment.get("OMPI_COMM_WORLD_SIZE", "1") != "1"
        or (indexed and "JAX_COORDINATOR_ADDRESS" in environment)
        or (indexed and importlib.util.find_spec("kubernetes") is not None)
        or cloud_tpu_init.running_in_cloud_tpu_vm
    )


def _found(
    environment: Mapping[str, str],
    coordinator: str | None,
    processes: int | None,
    process: int | None,
) -> Place:
    """Completes what is given from the environment, by our own detection and JAX's."""

    def number_of(name: str) -> int | None:
        return int(environment[name]) if environment.get(name, "").isdecimal() else None

    of_mpi = number_of("OMPI_COMM_WORLD_SIZE")
    processes = of_mpi if processes is None else processes
    for name in ("OMPI_COMM_WORLD_RANK", "JOB_COMPLETION_INDEX"):
        process = number_of(name) if process is None else process
    coordinator = coordinator or environment.get("JAX_COORDINATOR_ADDRESS")
    if of_mpi is not None and of_mpi == number_of("OMPI_COMM_WORLD_LOCAL_SIZE"):
        coordinator = coordinator or f"localhost:{_port(environment)}"  # all are on one machine
    found: tuple[Any, ...] = (coordinator, processes, process, None)
    mpi_5 = of_mpi is not None and not environment.keys() & _MORE_THAN_MPI_5
    try:
        with warnings.catch_warnings(action="ignore"):  # of a package that is absent
            if not mpi_5:  # JAX detects it only through mpi4py, from 0.12 on
                found = ClusterEnv.auto_detect_unset_distributed_params(
                    coordinator, processes, process, None, None, TIMEOUT
                )
    except Exception as error:  # many kinds: no network, no permission, bad values
        raise UserError(f"the launcher gives an invalid rank or address: {error}") from error
    coordinator, processes, process, theirs = found
    if (coordinator, processes, process) == (None, None, None):  # a single TPU machine
        return Place("localhost:0", 1, 0)
    if coordinator is None or processes is None or process is None:
        names = ("--coordinator=HOST:PORT", "--processes=N", "--process=I")
        missing = [name for name, value in zip(names, found, strict=False) if value is None]
        raise UserError(
            f"this is one of several processes, but its launcher does not provide "
            f"{' and '.join(missing)}; "
            f"give {'it' if len(missing) == 1 else 'them'} to launch.py"
        )
    local = number_of("OMPI_COMM_WORLD_LOCAL_RANK")
    own = theirs if theirs is not None or local is None else (local,)
    devices = None if own is None or _all_seen(environment) else tuple(own)
    return Place(coordinator, processes, process, devices)


def _port(environment: Mapping[str, str]) -> int:
    """A port unlikely to collide with other jobs, in JAX's range of 61440 to 65535."""
    job = environment.get("PMIX_NAMESPACE") or environment.get("OMPI_MCA_ess_base_jobid", "")
    return 61440 + zlib.crc32(job.encode()) % 4096


def _all_seen(environment: Mapping[str, str]) -> bool:
    """Whether all GPUs that this process sees are its own.

    This holds if it is alone on its machine, or sees only one. Otherwise several processes see all
    GPUs of the machine, and each takes the one with its local index, as in JAX.
    """
    seen = [gpu for gpu in environment.get("CUDA_VISIBLE_DEVICES", "").split(",") if gpu]
    alone = environment.get("OMPI_COMM_WORLD_LOCAL_SIZE") == "1" or re.fullmatch(
        r"1(\(x\d+\))?", environment.get("SLURM_STEP_TASKS_PER_NODE", "")
    )
    return bool(alone) or len(seen) == 1
