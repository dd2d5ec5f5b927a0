"""Exports a model as one file for agejax itself; see `agejax.checkpoints.weights_file`."""

from pathlib import Path

from agejax.checkpoints import weights_file
from agejax.checkpoints.shipped import Shipped
from agejax.errors import UserError
from agejax.exporters import artefact
from agejax.exporters.function import Trained
from agejax.utils.files import replacing

_TOLERANCE = {"float16": 0.02, "float32": artefact.TOLERANCE}  # of a probability


def export_weights(trained: Trained, file: Path, dtype: str = "float16") -> artefact.Comparison:
    """Writes a model; the file is not kept unless what is read from it predicts the same.

    Args:
      trained: the model.
      file: the output file.
      dtype: of its arrays, "float16" or "float32".

    Raises:
      UserError: its probabilities differ from the checkpoint's by more than the rounding of
        weights explains (0.02), or it cannot be written.
    """
    if dtype not in weights_file.DTYPES:
        raise UserError(f"dtype is {dtype!r}; it can be {' or '.join(weights_file.DTYPES)}")
    crops, kind = artefact.faces_of(trained.config)
    config = trained.config.copy_and_resolve_references()
    config.data.margin = None if trained.margin.doubt else trained.margin.margin
    shipped = Shipped(
        source=trained.source,
        step=trained.step,
        config=config,
        graph=trained.graph,
        weights=trained.weights,
        calibration=trained.calibration,
        margin=trained.margin,
        licence=trained.licence,
    )
    with replacing(file) as temporary:
        with open(temporary, "wb") as out:
            weights_file.write(out, shipped, dtype)
        written = Trained.load(temporary)
        readings = lambda images: artefact.read_by_jax(written, images)
        return artefact.compare(readings, trained, crops, kind, _TOLERANCE[dtype])
