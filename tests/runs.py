"""What two runs must have in common to be one and the same."""

import json
import warnings
from pathlib import Path

import jax
import numpy as np


def leaves(workdir: Path, step: int = 30):
    """All arrays of a checkpoint: weights, optimizer, average, statistics."""
    import orbax.checkpoint as ocp

    handler = ocp.PyTreeCheckpointer()
    folder = workdir.absolute() / "checkpoints" / str(step)
    with warnings.catch_warnings():  # Orbax warns of restoring without shardings
        warnings.simplefilter("ignore")
        return [handler.restore(folder / item) for item in ("weights", "training")]


def assert_identical(a: Path, b: Path, step: int = 30) -> None:
    """Whether their checkpoints of a step hold the same arrays, bit for bit."""
    ours, theirs = leaves(a, step), leaves(b, step)
    assert jax.tree.structure(ours) == jax.tree.structure(theirs)
    jax.tree.map(np.testing.assert_array_equal, ours, theirs)


def metrics(workdir: Path) -> list[dict]:
    """The metric log but for its wall-clock fields."""
    lines = [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()]
    for line in lines:
        line.pop("images_per_second", None)
        line.pop("input_wait", None)
    return lines
