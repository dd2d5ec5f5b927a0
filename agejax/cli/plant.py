"""`agejax plant`: wrong labels for a table, to measure a method that finds or survives them."""

from pathlib import Path
from typing import Any

from agejax.cli.options import text_path


def add(commands: Any) -> None:
    """Declares the command."""
    command = commands.add_parser(
        "plant", help="write a table with wrong labels, to test what finds or survives them"
    )
    command.add_argument("table", type=Path, help="a .csv, .tsv, .jsonl or .parquet file")
    command.add_argument("--rate", type=float, default=0.2, help="share of the labels (0.2)")
    text = "the age of another row, an age off by some years, or the other gender"
    command.add_argument("--kind", choices=("swap", "year", "gender"), default="swap", help=text)
    text = "how far the new age is from the old one (swap: 1 to 100; year: 5 to 14)"
    command.add_argument("--years", type=int, nargs=2, metavar=("LEAST", "MOST"), help=text)
    command.add_argument("--seed", type=int, default=0, help="another one for other rows (0)")
    text = "the folder that paths start from (the table's own)"
    command.add_argument("--root", type=text_path, help=text)
    command.add_argument("-o", "--out", type=Path, required=True, help="the .csv to write")
    command.set_defaults(run=run)


def run(
    table: Path,
    rate: float,
    kind: str,
    years: list[int] | None,
    seed: int,
    root: str | None,
    out: Path,
) -> int:
    """Writes the table and says how many labels are wrong in it.

    Raises:
      UserError: it is no table, or so many labels cannot be wrong in this way.
    """
    from agejax.data.tables.plant import COLUMN, plant_table
    from agejax.errors import UserError

    if seed < 0:
        raise UserError(f"--seed is {seed}; it must be 0 or more")
    if years and kind == "gender":
        raise UserError("--years is for ages, not for --kind gender")
    span = (years[0], years[1]) if years else None
    planted, rows = plant_table(table, out, kind, rate, seed, span, root)
    print(
        f"{out}: {rows:,} rows, {planted:,} of them with a wrong label; see its column {COLUMN!r}"
    )
    return 0
