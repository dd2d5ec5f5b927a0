"""`agejax compare`: is one run better than another, or was it luck."""

from json import dumps
from pathlib import Path
from typing import Any

from agejax.errors import UserError


def add(commands: Any) -> None:
    """Declares the command."""
    command = commands.add_parser("compare", help="is one run better than another, or was it luck")
    command.add_argument(
        "runs", nargs="*", type=Path, help="two runs, or .npz files of predictions"
    )
    for side in ("--a", "--b"):
        text = f"runs of side {side[2:].upper()}, such as seeds: their mean counts"
        command.add_argument(side, nargs="+", type=Path, default=[], metavar="RUN", help=text)
    command.add_argument("--split", default="test", help="whose evaluations are compared (test)")
    command.add_argument("--json", action="store_true", help="print JSON")
    command.set_defaults(run=run)


def run(runs: list[Path], a: list[Path], b: list[Path], split: str, json: bool) -> int:
    """Prints how two runs, or two sides of several, differ on the same faces.

    Raises:
      UserError: there are not two sides, or their evaluations are not of the same faces.
    """
    from agejax.runtime.compare import compare, comparison_table

    if len(runs) == 2 and not a + b:
        runs, a, b = [], runs[:1], runs[1:]
    if runs or not (a and b):
        raise UserError("give two runs to compare, or --a RUN ... --b RUN ...")
    figures = compare(a, b, split)
    if json:
        print(dumps(figures))
    else:
        print(comparison_table(figures))
    return 0
