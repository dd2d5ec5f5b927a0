"""The launch recipes of docs/cluster.md, as far as a machine without their engines can tell."""

import json
import os
import subprocess

import pytest
import yaml

from agejax.distributed.cluster_env import Place, find_place
from tests.conftest import ROOT

JOBSET = ROOT / "examples" / "jobset.yaml"


def test_the_pods_of_the_jobset_find_one_another(monkeypatch):
    manifest = yaml.safe_load(JOBSET.read_text())
    (job,) = manifest["spec"]["replicatedJobs"]
    (container,) = job["template"]["spec"]["template"]["spec"]["containers"]
    flags = dict(arg.removeprefix("--").split("=") for arg in container["command"] if "=" in arg)
    assert job["replicas"] == 1
    for i in range(job["template"]["spec"]["completions"]):
        monkeypatch.setenv("JOB_COMPLETION_INDEX", str(i))
        first = f"{manifest['metadata']['name']}-{job['name']}-0-0.{manifest['metadata']['name']}"
        found = find_place(flags["coordinator"], int(flags["processes"]))
        assert found == Place(f"{first}:8476", job["template"]["spec"]["parallelism"], i)


def test_the_jobset_is_of_its_schema():
    """Of the models that Kubeflow makes from it; what they do not know does not come back."""
    models = pytest.importorskip("kubeflow_trainer_api.models.jobset_v1alpha2_job_set")
    manifest = yaml.safe_load(JOBSET.read_text())
    read = models.JobsetV1alpha2JobSet.from_dict(manifest)
    assert json.loads(read.to_json()) == manifest


@pytest.mark.parametrize(("code", "goes_on"), [(0, False), (2, False), (75, True), (143, True)])
def test_the_slurm_job_goes_on_where_that_helps(tmp_path, code, goes_on):
    for name, body in {"srun": f"exit {code}", "scontrol": 'echo "$@"'}.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n[ {name} = srun ] && echo $@\n{body}\n")
        (tmp_path / name).chmod(0o755)
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "SLURM_JOB_ID": "42"}
    command = ["bash", "examples/slurm.sh", "--config", "configs/small.py"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == code
    said = done.stdout.splitlines()
    assert said[0] == "--kill-on-bad-exit=0 python launch.py --config configs/small.py"
    assert said[1:] == (["requeue 42"] if goes_on else [])
