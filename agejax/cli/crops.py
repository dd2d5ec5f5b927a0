"""`agejax crops`: what a looser or a tighter crop costs."""

from json import dumps
from pathlib import Path
from typing import Any

from agejax.cli import options
from agejax.utils.streams import check_stdout


def add(commands: Any) -> None:
    """Declares the command."""
    command = commands.add_parser("crops", help="what a looser or a tighter crop costs a run")
    command.add_argument("run_dir", metavar="RUN", type=Path, help="a run, such as runs/small")
    command.add_argument("--split", default="test", help="whose faces are read (test)")
    command.add_argument("--checkpoint", default="best", help="best (default), latest or a step")
    text = "shares of the side to cut at each edge, negative to pad (0.3 ... -0.3)"
    command.add_argument("--by", nargs="+", type=float, metavar="SHARE", help=text)
    options.add_places(command)
    command.add_argument("--json", action="store_true", help="print JSON, a line for each crop")
    command.set_defaults(run=run)


def run(
    run_dir: Path,
    split: str,
    checkpoint: str,
    by: list[float] | None,
    manual_dir: str | None,
    data_dir: str | None,
    json: bool,
) -> int:
    """Prints a run's error for faces that are cut or padded before it reads them.

    Raises:
      UserError: there is no such run, checkpoint or split, or a crop leaves nothing.
    """
    check_stdout()
    from agejax.reports.crop_robustness import CROPS, crop_lines, under_crops
    from agejax.training.compilation_cache import keep_compiled

    keep_compiled()
    figures = under_crops(
        run_dir,
        by or CROPS,
        split=split,
        checkpoint=checkpoint,
        changes=options.places(manual_dir, data_dir),
    )
    for line in map(dumps, figures) if json else crop_lines(figures):
        print(line, flush=True)
    return 0
