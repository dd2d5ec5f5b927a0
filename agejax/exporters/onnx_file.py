"""Writes ONNX files, and reads them with onnxruntime. Only this module imports onnxruntime."""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from agejax.errors import UserError
from agejax.exporters.function import Readings, Trained, readings_of

SUFFIX = ".onnx"
DTYPE = "float32"  # onnxruntime has no bfloat16 convolution on a CPU
_LARGEST = 2**31 - 1  # bytes of a Protocol Buffers file


def write(trained: Trained, file: Path, metadata: Mapping[str, str]) -> None:
    """Writes a model that computes `readings_of(trained)`.

    Raises:
      UserError: the extra `onnx` is not installed, the model has an unsupported operation, or it is
        too large for the format.
    """
    try:
        from agejax.exporters.graph import Untranslated, to_onnx
    except ImportError as error:
        raise _missing(error) from error
    size = trained.config.data.size
    shape = (size, size, 3)
    try:
        model = to_onnx(readings_of(trained), trained.weights, shape, np.uint8, metadata=metadata)
    except Untranslated as error:
        name = trained.config.model.trunk.__name__
        raise UserError(
            f"{name} cannot be written as ONNX: there is no translation of {error}; "
            f"agejax/exporters/primitives.py has the supported ones; --to stablehlo takes any model"
        ) from error
    if model.ByteSize() > _LARGEST:
        raise UserError("the model is over 2 GB, which an ONNX file cannot hold")
    file.write_bytes(model.SerializeToString())


def read(file: Path) -> Callable[[np.ndarray], Readings]:
    """A function from uint8 [B, size, size, 3] to readings, by onnxruntime on this CPU.

    Raises:
      UserError: the extra `onnx` is not installed.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise _missing(error) from error
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return lambda images: dict(zip(names, session.run(names, {"image": images}), strict=True))


def versions() -> dict[str, str]:
    """Versions of the packages that write and verify the file."""
    import onnx
    import onnxruntime

    return {"onnx": onnx.__version__, "onnxruntime": onnxruntime.__version__}


def _missing(error: ImportError) -> UserError:
    return UserError(f"ONNX needs the extra 'onnx': pip install 'agejax[onnx]' ({error})")
