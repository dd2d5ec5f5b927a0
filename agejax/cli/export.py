"""`agejax export`: a trained model for other runtimes, and as a page for a browser."""

from pathlib import Path
from typing import Any

from agejax.errors import UserError


def add(commands: Any) -> None:
    """Declares the command."""
    command = commands.add_parser("export", help="write a model for ONNX, StableHLO or a web page")
    command.add_argument("run_folder", metavar="run", type=Path, help="a run, such as runs/small")
    command.add_argument("--to", required=True, choices=("onnx", "stablehlo", "web"), help="which")
    command.add_argument("--out", type=Path, help="the file, or web's folder; default: RUN/export/")
    command.add_argument("--checkpoint", default="best", help="best (default), latest or a step")
    text = "for web: the unpacked npm package onnxruntime-web; by default npm is asked for it"
    command.add_argument("--ort", type=Path, metavar="FOLDER", help=text)
    text = "what crops show beyond the face on each side, as a share of it (the run's own)"
    command.add_argument("--margin", type=float, help=text)
    command.set_defaults(run=run)


def run(
    run_folder: Path,
    to: str,
    out: Path | None,
    checkpoint: str,
    ort: Path | None,
    margin: float | None,
) -> int:
    """Writes an export, and prints how it compares with the checkpoint.

    Raises:
      UserError: there is no such run, what is needed is not installed, or the export is not right.
    """
    from agejax.exporters import artefact, onnx_file, stablehlo
    from agejax.exporters.function import Trained
    from agejax.training.compilation_cache import keep_compiled
    from agejax.utils.files import within

    if ort is not None and to != "web":
        raise UserError("--ort is for --to web alone")
    keep_compiled()
    form = stablehlo if to == "stablehlo" else onnx_file
    trained = Trained.load(run_folder, checkpoint, form.DTYPE, margin)
    folder = trained.folder
    if to == "web":
        from agejax.exporters.web import export_page

        place = out or within(folder, "export", "web")
        found = export_page(trained, place, ort)
        print(f"to look at it: python -m http.server --bind 127.0.0.1 --directory {place} 8000")
    else:
        place = out or within(folder, "export") / f"{folder.name}{form.SUFFIX}"
        if place.is_dir():
            raise UserError(f"--out {place} is a folder; it names the file")
        found = artefact.export(trained, place, form)
    for line in artefact.export_lines(place, trained, found):
        print(line)
    return 0
