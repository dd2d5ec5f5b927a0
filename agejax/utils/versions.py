"""What computed a figure: the versions of the libraries, and the device."""

import platform
from importlib.metadata import PackageNotFoundError, version

import jax

_LIBRARIES = ("agejax", "jax", "jaxlib", "flax", "optax", "numpy", "opencv-python-headless")


def versions() -> dict[str, str]:
    """{library or "python" or "device": what it is}, of this process."""
    device = f"{jax.device_count()} x {jax.devices()[0].device_kind}, {platform.machine()}"
    found = {name: _version(name) for name in _LIBRARIES}
    return found | {"python": platform.python_version(), "device": device}


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:  # agejax from a checkout; OpenCV of another distribution's name
        return "unknown"
