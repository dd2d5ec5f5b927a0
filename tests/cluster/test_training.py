"""Any number of processes trains as one does: the same order, gradients, curves and figures."""

import hashlib
import json

import numpy as np
import pytest

from agejax.runtime.checkpoint import Checkpoints
from tests.cluster.conftest import metrics


def test_two_processes_train(ranks, small, tmp_path):
    one = ranks.run(tmp_path / "one", config=small, n=1)
    two = ranks.run(tmp_path / "two", config=small, n=2)
    print(two[0].said(), two[1].said())
    print(metrics(tmp_path / "one")[-1], metrics(tmp_path / "two")[-1])
