"""`agejax compare`: which run, or way of training, is better, and what was luck."""

import os
import sys
from json import dumps
from pathlib import Path
from typing import Any

from agejax.errors import UserError
from agejax.utils.streams import check_stdout
from agejax.utils.system_files import entries


def add(commands: Any) -> None:
    """Declares the command."""
    command = commands.add_parser("compare", help="which run is better, and what was luck")
    command.add_argument(
        "sides",
        nargs="*",
        type=Path,
        help="runs, tables of predictions (.csv of path, age, gender), .npz files of these, or "
        "folders of runs, such as the seeds of one way of training: their mean counts. A single "
        "folder stands for what is in it",
    )
    for side in ("--a", "--b"):
        text = f"runs of side {side[2:].upper()}, in place of the above"
        command.add_argument(side, nargs="+", type=Path, default=[], metavar="RUN", help=text)
    command.add_argument(
        "--against",
        type=Path,
        help="the side to compare with (the first of two that are named, else the best)",
    )
    command.add_argument("--split", default="test", help="whose evaluations are compared (test)")
    form = command.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print JSON")
    form.add_argument("--markdown", action="store_true", help="print a table for a README")
    command.add_argument("--svg", type=Path, help="draw the ages' errors into this file")
    text = "write a page with the table and plots: agreement, error by age, cumulative score"
    command.add_argument("--html", type=Path, help=text)
    command.set_defaults(run=run)


def run(
    sides: list[Path],
    a: list[Path],
    b: list[Path],
    against: Path | None,
    split: str,
    json: bool,
    markdown: bool,
    svg: Path | None,
    html: Path | None,
) -> int:
    """Prints how runs, or sides of several, differ on the same faces.

    Raises:
      UserError: there are not two sides, or their evaluations are not of the same faces.
    """
    if svg is None and html is None:
        check_stdout()
    if bool(sides) == bool(a or b) or bool(a) != bool(b):
        raise UserError("give the runs to compare, or --a RUN ... --b RUN ...")
    groups = {"A": a, "B": b} if a else _sides(sides, split)
    first = next(iter(groups)) if a or len(sides) == 2 else None
    reference = first if against is None else _reference(against, groups)

    from agejax.experiments import comparison_table as tables
    from agejax.experiments.compare import compared_figures
    from agejax.experiments.compared_files import read_sides
    from agejax.reports.comparison_page import comparison_page
    from agejax.reports.comparison_plot import comparison_svg
    from agejax.utils.atomic_write import write_text

    if len(groups) < 2:
        raise UserError("a comparison needs at least two sides")
    compared = read_sides(groups, split)
    figures = compared_figures(compared, split, reference)
    for option, file in (("--svg", svg), ("--html", html)):
        if file and "age" not in figures["tasks"]:
            raise UserError(f"{option} draws the errors of ages, which these files do not all have")
    page = comparison_page(compared, figures) if html else ""
    if json:
        print(dumps(figures))
    elif markdown:
        print(tables.markdown(figures, tables.costs(groups)))
    else:
        print(tables.comparison_table(figures))
    if svg:
        write_text(svg, comparison_svg(figures))
    if html:
        write_text(html, page)
    return 0


def _sides(paths: list[Path], split: str) -> dict[str, list[Path]]:
    """{name: runs}; a single folder that is no run gives the sides that are in it."""
    from agejax.evaluation.predictions import is_predictions

    if len(paths) == 1 and paths[0].is_dir() and not _is_run(paths[0]):
        paths = sorted(path for path in entries(paths[0]) if path.is_dir())
    paths = list(dict.fromkeys(paths)) if len(paths) > 2 else paths
    common = Path(os.path.commonpath([path.absolute().parent for path in paths])) if paths else None
    lenient = len(paths) > 2  # one of many that is not finished does not cost the others
    sides: dict[str, list[Path]] = {}
    for path in paths:
        runs = [path] if is_predictions(path) or _is_run(path) else _runs_in(path, lenient)
        if lenient:
            for run in (run for run in runs if not _evaluated(run, split)):
                print(f"left out: {run} is not evaluated on {split}", file=sys.stderr)
            runs = [run for run in runs if _evaluated(run, split)]
        if runs:
            name = path.absolute().relative_to(common).as_posix() if common else str(path)
            sides[name if name not in sides else f"{name} again"] = runs
    return sides


def _runs_in(folder: Path, lenient: bool) -> list[Path]:
    runs = [p for p in sorted(entries(folder)) if _is_run(p)] if folder.is_dir() else []
    if not runs:
        told = f"{folder}: neither a run nor a folder of runs"
        if not lenient:
            raise UserError(told)
        print(f"left out: {told}", file=sys.stderr)
    return runs


def _evaluated(run: Path, split: str) -> bool:
    from agejax.evaluation.predictions import is_predictions

    return is_predictions(run) or (run / "eval" / f"{split}.npz").is_file()


def _is_run(path: Path) -> bool:
    """Whether agejax, or a tool that writes as it does, has left a run there."""
    return (path / "config.json").is_file() or (path / "eval").is_dir()


def _reference(against: Path, sides: dict[str, list[Path]]) -> str:
    for name, runs in sides.items():
        inside = {run.absolute() for run in runs} | {run.absolute().parent for run in runs}
        if str(against) == name or against.absolute() in inside:
            return name
    raise UserError(f"--against {against}: there is no such side; there are {', '.join(sides)}")
