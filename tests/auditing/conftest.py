"""Faces that need no image: their features tell the age, and which labels are wrong is known."""

import dataclasses

import numpy as np
import pytest

from agejax.auditing.features import Features
from agejax.data.faces import Faces


def made(n=240, seed=0, wrong=0.0, classes=101):
    """Faces whose features tell their ages and genders about; a share of labels is wrong.

    Returns the faces, their features, and bool [n] for each task: whose label is wrong.
    """
    rng = np.random.default_rng(seed)
    age, gender = rng.integers(1, 90, n), rng.integers(0, 2, n)
    trunk = rng.normal(size=(n, 12)).astype(np.float32)
    trunk[:, 0] = np.sqrt(age) + rng.normal(0, 0.3, n)
    trunk[:, 1] = 4 * gender + rng.normal(0, 1, n)
    bad = {"age": rng.random(n) < wrong, "gender": rng.random(n) < wrong}
    far = (age + rng.integers(25, 60, n)) % 90
    labels = {
        "age": np.where(bad["age"], far, age).astype(np.int32),
        "gender": np.where(bad["gender"], 1 - gender, gender).astype(np.int32),
    }
    bad["age"] &= abs(labels["age"] - age) >= 10
    years = np.exp(-0.5 * ((np.arange(classes) - age[:, None]) / 8) ** 2)
    sides = np.where(np.arange(2) == gender[:, None], 0.9, 0.1)
    read = {"age": years / years.sum(1, keepdims=True), "gender": sides}
    features = Features(
        trunk,
        {task: p.astype(np.float32) for task, p in read.items()},
        rng.integers(0, 256, (n, 16, 16)).astype(np.uint8),
        np.ones(n, bool),
    )
    faces = Faces(
        path=np.array([f"{i:04}.jpg" for i in range(n)]),
        labels=labels,
        known={task: np.ones(n, bool) for task in labels},
        sha256=np.array([f"{i:064x}" for i in range(n)]),
        read=lambda rows: [b""] * len(rows),
        rows=np.arange(n),
        person=np.array([f"person {i // 3}" for i in range(n)]),
    )
    return faces, features, bad


@pytest.fixture(scope="module")
def audited():
    """An audit of 240 faces, a sixth of whose labels are wrong, and which these are."""
    from agejax.auditing.audit import audit

    faces, features, bad = made(wrong=1 / 6)
    return audit(faces, features), bad


def small_audit(paths):
    """An audit of faces with these paths, whose images cannot be decoded."""
    from agejax.auditing.audit import audit

    faces, features, _ = made(len(paths))
    return audit(dataclasses.replace(faces, path=np.array(paths)), features)
