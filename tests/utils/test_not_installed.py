"""A checkout on PYTHONPATH: there is no metadata of an installed agejax."""

import importlib
import importlib.metadata

import agejax
from agejax.utils import versions


def test_the_version_is_unknown_and_nothing_fails(monkeypatch):
    found = importlib.metadata.version

    def without(name):
        if name == "agejax":
            raise importlib.metadata.PackageNotFoundError(name)
        return found(name)

    installed = agejax.__version__
    with monkeypatch.context() as patch:
        patch.setattr(importlib.metadata, "version", without)
        patch.setattr(versions, "version", without)
        assert importlib.reload(agejax).__version__ == "unknown"
        assert versions.versions()["agejax"] == "unknown"
    assert importlib.reload(agejax).__version__ == installed
