"""`agejax thresholds`: the errors at ages that decide, from predictions that were written."""

from json import dumps
from pathlib import Path
from typing import Any

_USUAL = (13, 16, 18, 21, 25)  # as config.eval.thresholds


def add(commands: Any) -> None:
    """Declares the command."""
    text = "how many under an age are read as over it, and the reverse"
    command = commands.add_parser("thresholds", help=text)
    text = "a run that has been evaluated, or a .npz file of predictions"
    command.add_argument("predictions", metavar="RUN", type=Path, help=text)
    command.add_argument("--split", default="test", help="whose evaluation of the run (test)")
    text = "ages in whole years (13 16 18 21 25)"
    command.add_argument(
        "--at", type=int, nargs="+", default=list(_USUAL), metavar="YEARS", help=text
    )
    text = "a CSV of path and other columns, for figures by group"
    command.add_argument("--attributes", type=Path, metavar="CSV", help=text)
    command.add_argument("--json", action="store_true", help="print JSON, with all figures")
    command.set_defaults(run=run)


def run(predictions: Path, split: str, at: list[int], attributes: Path | None, json: bool) -> int:
    """Prints the errors at each age.

    Raises:
      UserError: there are no such predictions, none of a known age, or an age is out of range.
    """
    from agejax.evaluation.threshold_summary import thresholds_of_file
    from agejax.evaluation.threshold_table import threshold_lines

    figures = thresholds_of_file(predictions, split, at, attributes)
    print(dumps(figures) if json else "\n".join(threshold_lines(figures)))
    return 0
