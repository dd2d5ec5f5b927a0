"""The libraries that publish weights, where they are installed."""

import sys

import pytest


@pytest.fixture(scope="session")
def torchvision():
    torch = pytest.importorskip("torch")
    try:
        import torchvision
    except ImportError as error:
        pytest.skip(str(error))
    except RuntimeError:
        # PyPI's torchvision beside a torch without CUDA: its own operators, which no classifier
        # has, do not load. Declared, they let the rest be imported.
        for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
            del sys.modules[name]
        operators = torch.library.Library("torchvision", "FRAGMENT")
        for name in ("nms", "qnms"):
            operators.define(f"{name}(Tensor dets, Tensor scores, float threshold) -> Tensor")
        import torchvision
    return torchvision


@pytest.fixture(scope="session")
def timm(torchvision):
    return pytest.importorskip("timm")
