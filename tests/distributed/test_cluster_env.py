"""What each launcher tells a process, replayed: where it stands, or what it is not told."""

import pytest

from agejax.distributed.cluster_env import Place, find_place
from agejax.errors import UserError

# Of a step of two machines with four tasks each, from SLURM 23.11.
SLURM = {
    "SLURM_JOB_ID": "4242",
    "SLURM_STEP_NODELIST": "gpu[007-008]",
    "SLURM_STEP_NUM_TASKS": "8",
    "SLURM_NTASKS": "8",
    "SLURM_STEP_TASKS_PER_NODE": "4(x2)",
    "SLURM_PROCID": "5",
    "SLURM_LOCALID": "1",
}
MPI = {
    "OMPI_COMM_WORLD_SIZE": "4",
    "OMPI_COMM_WORLD_RANK": "3",
    "OMPI_COMM_WORLD_LOCAL_SIZE": "2",
    "OMPI_COMM_WORLD_LOCAL_RANK": "1",
}
MPI4 = MPI | {"OMPI_MCA_orte_hnp_uri": "1531576320.0;tcp://10.96.0.1,10.148.0.1:34911"}
MPI5 = MPI | {"PMIX_NAMESPACE": "prterun-node-4711@1"}
POD = {
    "KUBERNETES_SERVICE_HOST": "10.0.0.1",
    "JOB_COMPLETION_INDEX": "2",
    "JAX_COORDINATOR_ADDRESS": "agejax-workers-0-0.agejax:8476",
}


@pytest.fixture
def told(monkeypatch):
    """Sets the environment of a launcher, and asks for the place in it."""
    import os

    for name in list(os.environ):
        if name.startswith(("SLURM_", "OMPI_", "PMIX_", "JAX_COORDINATOR", "CUDA_VIS", "KUBER")):
            monkeypatch.delenv(name)

    def place(environment, **given):
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        return find_place(**given)

    return place


@pytest.mark.parametrize(
    ("environment", "given", "place"),
    [
        ({}, {}, None),
        ({}, {"processes": 1}, None),
        (
            {},
            {"coordinator": "a:1", "processes": 2, "process": 1},
            Place("a:1", 2, 1),
        ),
        # SLURM, each task with a GPU of its own number, with one that it alone sees, or with all
        (SLURM, {}, Place("gpu007:61586", 8, 5, (1,))),
        (SLURM | {"CUDA_VISIBLE_DEVICES": "0"}, {}, Place("gpu007:61586", 8, 5)),
        (SLURM | {"CUDA_VISIBLE_DEVICES": "0,1,2,3"}, {}, Place("gpu007:61586", 8, 5, (1,))),
        (
            SLURM | {"SLURM_STEP_TASKS_PER_NODE": "1(x8)", "CUDA_VISIBLE_DEVICES": "0,1,2,3"},
            {},
            Place("gpu007:61586", 8, 5),
        ),
        (SLURM, {"coordinator": "gpu007:1"}, Place("gpu007:1", 8, 5, (1,))),
        # a shell within a job, and a step of one task
        (SLURM | {"SLURM_STEP_NUM_TASKS": "1"}, {}, None),
        ({"SLURM_JOB_ID": "4242", "SLURM_NTASKS": "8"}, {}, None),
        # Open MPI 4, and 5 on one machine, or told where process 0 is
        (MPI4, {}, Place("10.96.0.1:62624", 4, 3, (1,))),
        (
            MPI5 | {"OMPI_COMM_WORLD_LOCAL_SIZE": "4"},
            {},
            Place("localhost:65227", 4, 3, (1,)),
        ),
        (MPI5, {"coordinator": "node1:8476"}, Place("node1:8476", 4, 3, (1,))),
        (MPI5 | {"OMPI_COMM_WORLD_SIZE": "1"}, {}, None),
        # Kubernetes: a pod of our JobSet, and one of an indexed job that is a sweep
        (POD, {"processes": 4}, Place("agejax-workers-0-0.agejax:8476", 4, 2)),
        ({"KUBERNETES_SERVICE_HOST": "10.0.0.1", "JOB_COMPLETION_INDEX": "2"}, {}, None),
    ],
)
def test_a_process_finds_its_place(told, environment, given, place):
    assert told(environment, **given) == place


@pytest.mark.parametrize(
    ("environment", "given", "said"),
    [
        ({}, {"coordinator": "a:1"}, "does not provide --processes=N and --process=I; give them"),
        ({}, {"processes": 2, "process": 0}, "does not provide --coordinator=HOST:PORT; give it"),
        (MPI5, {}, "does not provide --coordinator=HOST:PORT; give it to launch.py"),
        (POD, {}, "does not provide --processes=N"),
        ({}, {"coordinator": "a", "processes": 2, "process": 0}, "must be HOST:PORT"),
        ({}, {"coordinator": "a:1", "processes": 2, "process": 2}, "counted from 0 on"),
        (MPI4 | {"OMPI_MCA_orte_hnp_uri": "odd"}, {}, "the launcher gives an invalid rank"),
    ],
)
def test_what_is_not_told_or_cannot_be_is_said(told, environment, given, said):
    with pytest.raises(UserError, match=said):
        told(environment, **given)


def test_a_slice_of_tpu_machines_is_found(told, monkeypatch):
    """On Cloud TPU, GKE's variables are read by JAX; its machines are asked of no network here."""
    from jax._src import cloud_tpu_init
    from jax._src.clusters import cloud_tpu_cluster

    monkeypatch.setattr(cloud_tpu_init, "running_in_cloud_tpu_vm", True)
    monkeypatch.setattr(cloud_tpu_cluster, "running_in_cloud_tpu_vm", True)
    gke = {
        "TPU_SKIP_MDS_QUERY": "true",
        "TPU_WORKER_HOSTNAMES": "localhost,tpu-1,tpu-2,tpu-3",
        "TPU_WORKER_ID": "3",
        **dict.fromkeys(
            ("MEGASCALE_COORDINATOR_ADDRESS", "MEGASCALE_NUM_SLICES", "MEGASCALE_SLICE_ID"), ""
        ),
    }
    monkeypatch.setattr(cloud_tpu_cluster, "get_tpu_env_value", lambda key: gke.get(key))
    place = told(gke)
    assert (place.coordinator, place.processes, place.process) == ("localhost:8482", 4, 3)
