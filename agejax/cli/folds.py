"""`agejax folds`: one table of the folds of a cross-validation."""

from json import dumps
from pathlib import Path
from typing import Any

from agejax.utils.streams import check_stdout


def add(commands: Any) -> None:
    """Declares the command."""
    command = commands.add_parser(
        "folds",
        help="one table of the folds of a cross-validation: agejax train --config FILE --folds=5",
    )
    command.add_argument("folder", type=Path, help="the folder of the folds, such as runs/folds")
    command.add_argument("--split", default="test", help="whose evaluations are read (test)")
    command.add_argument("--json", action="store_true", help="print JSON")
    command.set_defaults(run=run)


def run(folder: Path, split: str, json: bool) -> int:
    """Prints the figures of each fold, their mean, and those of all faces.

    Raises:
      UserError: there are not two folds, or one is not evaluated.
    """
    check_stdout()
    from agejax.experiments.folds import fold_figures, fold_table, folds_in
    from agejax.utils.notes import printed

    with printed():
        figures = fold_figures(folds_in(folder), split)
    print(dumps(figures) if json else f"{folder}, {fold_table(figures)}")
    return 0
