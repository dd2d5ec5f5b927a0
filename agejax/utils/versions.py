"""What computed a figure: the versions of the libraries, and the device."""

import platform
from importlib.metadata import version

import jax

_LIBRARIES = ("agejax", "jax", "jaxlib", "flax", "optax", "numpy", "opencv-python-headless")


def versions() -> dict[str, str]:
    """{library or "python" or "device": what it is}, of this process."""
    device = f"{jax.device_count()} x {jax.devices()[0].device_kind}, {platform.machine()}"
    found = {name: version(name) for name in _LIBRARIES}
    return found | {"python": platform.python_version(), "device": device}
