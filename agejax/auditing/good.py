"""A table without the labels that are wrong."""

from collections.abc import Collection
from pathlib import Path

from agejax.auditing.audit import Audit
from agejax.data.tables.csv_cells import CsvWriter
from agejax.data.tables.parsing import BadRow, image_path
from agejax.data.tables.paths import moved_path
from agejax.data.tables.table import Table
from agejax.data.tables.written import written
from agejax.errors import UserError

_TICKED = ("path", "task")


def flagged(audit: Audit, above: float) -> set[tuple[str, str]]:
    """(path, task) of the labels that are wrong with a probability above `above`."""
    paths = audit.faces.path
    return {
        (str(paths[i]), task)
        for task, of in audit.tasks.items()
        for i in (of.labels.known & (of.wrong > above)).nonzero()[0]
    }


def ticked(file: Path) -> set[tuple[str, str]]:
    """(path, task) of the labels in a table with these columns, as the contact sheet saves it.

    Raises:
      UserError: it is no such table.
    """
    found = set()
    for number, row in Table(file, _TICKED):
        if isinstance(row, BadRow) or row["task"] not in ("age", "gender"):
            raise UserError(f"{file}: row {number} is not that of a label (path, task)")
        found.add((image_path(row["path"]), row["task"]))
    return found


def check_out(table: Path, out: Path) -> None:
    """Raises a `UserError` if `out` cannot be the table of the good rows."""
    if out.suffix.lower() != ".csv":
        raise UserError(f"--good {out}: it must end in .csv")
    if out.exists() and out.samefile(table):
        raise UserError(f"--good {out}: this is the table itself; name another file")


def write_good(
    file: Path, root: str | None, wrong: Collection[tuple[str, str]], out: Path
) -> tuple[int, int]:
    """Writes a table again without some of its labels, as CSV.

    A wrong label is emptied, and its row is left out if it has no other.

    Args:
      file: the table.
      root: the base folder of its relative paths; None for its own.
      wrong: (path, task) of the labels.
      out: the `.csv` to write; its paths lead to the same images.

    Returns:
      How many rows were written, and how many labels were left out.

    Raises:
      UserError: `out` is the table itself, or is not a .csv file.
    """
    check_out(file, out)
    table, kept, emptied = Table(file), 0, 0
    with written(out) as opened:
        writer = CsvWriter(opened, table.columns)
        writer.writeheader()
        for _, cells in table:
            if isinstance(cells, BadRow):
                continue
            cells = table.with_points(cells)
            path = image_path(cells["path"])
            tasks = [task for task in ("age", "gender") if (path, task) in wrong]
            after = cells | dict.fromkeys(tasks, "")
            emptied += len(tasks)
            if tasks and not any(after.get(task, "").strip() for task in ("age", "gender")):
                continue
            writer.writerow(after | {"path": moved_path(file, root, cells["path"], out)})
            kept += 1
    return kept, emptied
