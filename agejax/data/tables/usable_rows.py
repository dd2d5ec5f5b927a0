"""Writes the usable rows of a table as another table."""

from pathlib import Path

from agejax.data.tables.check import Checked
from agejax.data.tables.csv_cells import CsvWriter
from agejax.data.tables.parsing import BadRow
from agejax.data.tables.paths import moved_path
from agejax.data.tables.written import written
from agejax.errors import UserError


def write_good(checked: Checked, root: str | None, out: Path) -> int:
    """Writes the usable rows as CSV, with paths relative to `out`; returns their number.

    Raises:
      UserError: `out` is the table itself, or is not a .csv file.
    """
    table = checked.table
    if out.suffix.lower() != ".csv":
        raise UserError(f"--good {out}: it must end in .csv")
    if out.exists() and out.samefile(table.file):
        raise UserError(f"--good {out}: this is the table itself; name another file")
    usable = set(checked.columns["number"].tolist())
    n = 0
    with written(out) as file:
        writer = CsvWriter(file, table.columns)
        writer.writeheader()
        for number, cells in table:
            if number in usable and not isinstance(cells, BadRow):
                path = moved_path(table.file, root, cells["path"], out)
                writer.writerow(table.with_points(cells) | {"path": path})
                n += 1
    return n
