"""`agejax export`: a trained model for other runtimes, as a page, and as one file of weights."""

from pathlib import Path
from typing import Any

from agejax.cli import options
from agejax.errors import UserError


def add(commands: Any) -> None:
    """Declares the command."""
    text = "write a model for ONNX, StableHLO or a web page, or as one file"
    command = commands.add_parser("export", help=text)
    text = "a run, such as runs/small, or a file of weights (those that come with agejax)"
    command.add_argument("run_folder", metavar="run", nargs="?", type=Path, help=text)
    kinds = ("onnx", "stablehlo", "web", "weights")
    command.add_argument("--to", required=True, choices=kinds, help="which")
    text = "the file, or web's folder; default: in RUN/export/, of a file of weights in export/"
    command.add_argument("--out", type=Path, help=text)
    command.add_argument("--checkpoint", default="best", help="best (default), latest or a step")
    text = "for web: the unpacked npm package onnxruntime-web; by default npm is asked for it"
    command.add_argument("--ort", type=Path, metavar="FOLDER", help=text)
    text = "what crops show beyond the face on each side, as a share of it (the run's own)"
    command.add_argument("--margin", type=float, help=text)
    text = "for weights: of the stored arrays (float16)"
    command.add_argument("--dtype", choices=("float16", "float32"), help=text)
    text = "the tasks to keep, such as age,gender (all)"
    command.add_argument("--tasks", type=options.names, default=(), metavar="TASK,...", help=text)
    text = "of the training data, to be recorded where the run does not know it"
    command.add_argument("--licence", metavar="TEXT", help=text)
    command.set_defaults(run=run)


def run(
    run_folder: Path | None,
    to: str,
    out: Path | None,
    checkpoint: str,
    ort: Path | None,
    margin: float | None,
    dtype: str | None,
    tasks: tuple[str, ...],
    licence: str | None,
) -> int:
    """Writes an export, and prints how it compares with the checkpoint.

    Raises:
      UserError: there is no such run, what is needed is not installed, or the export is not right.
    """
    for option, given, kind in (("--ort", ort, "web"), ("--dtype", dtype, "weights")):
        if given is not None and to != kind:
            raise UserError(f"{option} is for --to {kind} alone")
    from agejax.exporters import artefact, formats
    from agejax.training.compilation_cache import keep_compiled

    keep_compiled()
    place, trained, found = formats.export(
        run_folder,
        to,  # type: ignore[arg-type]  # one of the choices above
        out,
        checkpoint=checkpoint,
        margin=margin,
        ort=ort,
        dtype=dtype,
        tasks=tasks,
        licence=licence,
    )
    if to == "web":
        print(f"to look at it: python -m http.server --bind 127.0.0.1 --directory {place} 8000")
    for line in artefact.export_lines(place, trained, found):
        print(line)
    return 0
