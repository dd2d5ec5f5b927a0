"""Writes StableHLO by `jax.export`: a program for several platforms that contains its weights."""

from collections.abc import Callable, Mapping
from pathlib import Path

import jax
import numpy as np
from jax import export

from agejax.errors import UserError
from agejax.exporters.function import Readings, Trained, readings_of

SUFFIX = ".stablehlo"
DTYPE = None  # that of the run
_PLATFORMS = ("cpu", "cuda", "rocm", "tpu")


def write(trained: Trained, file: Path, metadata: Mapping[str, str]) -> None:
    """Writes a program that computes `readings_of(trained)`; it cannot store the metadata.

    Raises:
      UserError: the extra `stablehlo` is not installed.
    """
    del metadata
    readings = readings_of(trained)
    (batch,) = export.symbolic_shape("batch")
    size = trained.config.data.size
    image = jax.ShapeDtypeStruct((batch, size, size, 3), np.uint8)
    weights = trained.weights
    program = export.export(jax.jit(lambda x: readings(weights, x)), platforms=_PLATFORMS)(image)
    try:
        file.write_bytes(program.serialize())
    except ImportError as error:
        raise _missing(error) from error


def read(file: Path) -> Callable[[np.ndarray], Readings]:
    """A function from uint8 [B, size, size, 3] to readings, by JAX on its default device.

    Raises:
      UserError: the extra `stablehlo` is not installed.
    """
    try:
        program = export.deserialize(bytearray(file.read_bytes()))
    except ImportError as error:
        raise _missing(error) from error
    call = jax.jit(program.call)
    return lambda images: jax.device_get(call(images))


def versions() -> dict[str, str]:
    """Versions of the packages that write and verify the file."""
    return {"jax": jax.__version__, "jaxlib": jax.lib.__version__}


def _missing(error: ImportError) -> UserError:
    return UserError(
        f"StableHLO needs the extra 'stablehlo': pip install 'agejax[stablehlo]' ({error})"
    )
