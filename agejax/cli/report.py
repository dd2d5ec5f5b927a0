"""`agejax report`: an evaluation as a page worth looking at."""

from pathlib import Path
from typing import Any

from agejax.errors import UserError


def add(commands: Any) -> None:
    """Declares the command."""
    command = commands.add_parser("report", help="an evaluation as one HTML page")
    command.add_argument("workdir", metavar="run", type=Path, help="a run, such as runs/small")
    command.add_argument("--split", default="test", help="whose evaluation (test)")
    command.add_argument("--checkpoint", help="best, latest or a step (the one evaluated)")
    command.add_argument(
        "--attributes", type=Path, help="evaluate again, with this table of groups"
    )
    command.add_argument("--faces", type=int, default=12, help="of each kind to show (12)")
    command.add_argument(
        "--no-faces", dest="faces", action="store_const", const=0, help="leave faces out"
    )
    command.add_argument("--out", type=Path, metavar="FILE", help="(RUN/eval/SPLIT.html)")
    command.set_defaults(run=run)


def run(
    workdir: Path,
    split: str,
    checkpoint: str | None,
    attributes: Path | None,
    faces: int,
    out: Path | None,
) -> int:
    """Writes the report of a run and prints where it is.

    Raises:
      UserError: there is no run, it cannot be evaluated, or its data are not there.
    """
    if faces < 0:
        raise UserError(f"--faces is {faces}; it must be at least 0")
    from agejax.reports.write import write_report
    from agejax.training.compilation_cache import keep_compiled

    keep_compiled()
    print(
        write_report(
            workdir, split, checkpoint=checkpoint, attributes=attributes, faces=faces, out=out
        )
    )
    return 0
