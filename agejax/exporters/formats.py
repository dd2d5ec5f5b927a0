"""Exports a model to any of the formats."""

import dataclasses
from pathlib import Path
from typing import Literal, get_args

from agejax.checkpoints.weights_file import SUFFIX
from agejax.errors import UserError
from agejax.exporters import artefact, onnx_file, stablehlo, web
from agejax.exporters.function import Trained
from agejax.exporters.weights import export_weights
from agejax.utils.files import within

To = Literal["onnx", "stablehlo", "web", "weights"]


def export(
    run: Path | None,
    to: To,
    out: Path | None,
    *,
    checkpoint: str,
    margin: float | None,
    ort: Path | None,
    dtype: str | None,
    tasks: tuple[str, ...],
    licence: str | None,
) -> tuple[Path, Trained, artefact.Comparison]:
    """Writes an export; the arguments are those of `agejax.export`.

    Returns:
      the file or folder that was written, the model, and how the two compare.

    Raises:
      UserError: an argument is not valid, or as `agejax.export`.
    """
    if to not in get_args(To):
        raise UserError(f"there is no export to {to!r}; it can be {', '.join(get_args(To))}")
    if ort is not None and to != "web":
        raise UserError("ort is for the export to web alone")
    if dtype is not None and to != "weights":
        raise UserError("dtype is for the export to weights alone")
    form: artefact.Format = stablehlo if to == "stablehlo" else onnx_file
    computed = None if to == "weights" else form.DTYPE
    trained = Trained.load(run, checkpoint, computed, margin)
    if tasks:
        trained = trained.of_tasks(tasks)
    if licence is not None and trained.licence is None:
        trained = dataclasses.replace(trained, licence=licence)
    if to == "web":
        place = within(trained.exports, "web") if out is None else out
        return place, trained, web.export_page(trained, place, ort)
    suffix = SUFFIX if to == "weights" else form.SUFFIX
    place = trained.exports / f"{trained.name}{suffix}" if out is None else out
    if place.is_dir():
        raise UserError(f"{place} is a folder; --out names the file")
    if to == "weights":
        return place, trained, export_weights(trained, place, dtype or "float16")
    return place, trained, artefact.export(trained, place, form)
