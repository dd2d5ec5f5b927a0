"""`agejax check`: what is wrong with a table of faces."""

from pathlib import Path
from typing import Any

from agejax.cli.options import text_path
from agejax.errors import printable


def add(commands: Any) -> None:
    """Declares the command."""
    command = commands.add_parser("check", help="what is wrong with a table of faces of your own")
    command.add_argument("table", type=Path, help="a .csv, .tsv, .jsonl or .parquet file")
    text = "the folder that paths start from (the table's own)"
    command.add_argument("--root", type=text_path, help=text)
    command.add_argument("--no-images", action="store_true", help="look at the table alone")
    command.add_argument("--good", type=Path, metavar="FILE", help="write the usable rows there")
    command.set_defaults(run=run)


def run(table: Path, root: str | None, no_images: bool, good: Path | None) -> int:
    """Prints what is wrong, doubtful and uneven; 2 if something is wrong, else 0.

    Raises:
      UserError: it is no table.
    """
    import functools

    from tqdm.auto import tqdm

    from agejax.data.tables.check import check
    from agejax.data.tables.report import report
    from agejax.data.tables.usable_rows import write_good

    checked = check(
        table, root, images=not no_images, progress=functools.partial(tqdm, smoothing=0.05)
    )
    for line in report(checked):
        print(printable(line))
    if good:
        print(f"{good}: {write_good(checked, root, good):,} rows")
    return 2 if checked.wrong else 0
