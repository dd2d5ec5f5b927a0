"""`agejax ensemble`: several runs as one, their probabilities averaged."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from agejax.cli import options

if TYPE_CHECKING:
    from agejax.experiments.combined import Way


def add(commands: Any) -> None:
    """Declares the command."""
    text = "make one run of several, whose probabilities are averaged"
    command = commands.add_parser("ensemble", help=text)
    add_options(command)
    command.set_defaults(run=run)


def run(**given: Any) -> int:
    """Writes the new run, and prints how each reads the faces that taught it, and all together.

    Raises:
      UserError: a run is not there, or cannot be averaged with the first, or `out` is taken.
    """
    from agejax.experiments.ensemble import ENSEMBLE

    return combine(ENSEMBLE, **given)


def add_options(command: Any) -> None:
    """Declares the options of a command that makes one run of several."""
    text = "two runs or more, trained on the same data at the same size"
    command.add_argument("runs", metavar="RUN", type=Path, nargs="+", help=text)
    command.add_argument("-o", "--out", type=Path, required=True, help="the folder of the new run")
    options.add_teachers(command, "the first run")
    options.add_places(command, "the first run")


def combine(
    way: "Way",
    *,
    runs: list[Path],
    out: Path,
    faces: str | None,
    split: str,
    checkpoint: str,
    manual_dir: str | None,
    data_dir: str | None,
) -> int:
    """Makes the new run in this way, and prints the figures.

    Raises:
      UserError: a run is not there, or does not match the first, or `out` is taken.
    """
    from agejax.experiments.combined import combined, member_lines
    from agejax.training.compilation_cache import keep_compiled

    keep_compiled()
    each, together = combined(
        way,
        runs,
        out,
        faces=faces,
        split=split,
        checkpoint=checkpoint,
        places=options.places(manual_dir, data_dir),
    )
    for line in member_lines(runs, each, together):
        print(line)
    taught = together["calibration"]["n"]
    print(f"{out} reads by all {len(runs)}, calibrated by {taught:,} faces")
    return 0
