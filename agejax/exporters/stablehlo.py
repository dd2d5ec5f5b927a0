"""StableHLO as `jax.export` keeps it: a program for any platform, with its weights inside."""

from collections.abc import Callable, Mapping
from pathlib import Path

import jax
import numpy as np
from jax import export

from agejax.errors import UserError
from agejax.exporters.function import Readings, Trained, readings_of

SUFFIX = ".stablehlo"
DTYPE = None  # computes in what the run does
_PLATFORMS = ("cpu", "cuda", "rocm", "tpu")


def write(trained: Trained, file: Path, metadata: Mapping[str, str]) -> None:
    """Writes a program that computes what `readings_of` says; the metadata has no place in it.

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
    """uint8 [B, size, size, 3] -> readings, by JAX on its default device.

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
    """Of the packages that wrote and checked the file."""
    return {"jax": jax.__version__, "jaxlib": jax.lib.__version__}


def _missing(error: ImportError) -> UserError:
    return UserError(
        f"StableHLO needs the extra 'stablehlo': pip install 'agejax[stablehlo]' ({error})"
    )
