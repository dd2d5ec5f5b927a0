"""The table of an audit: a line for each label, the likeliest to be wrong first."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from agejax.auditing.audit import Audit
from agejax.auditing.reasons import Reasons
from agejax.data.tables.csv_cells import CsvWriter
from agejax.data.tables.written import written
from agejax.labels import GENDER_NAMES
from agejax.metrics.calibration import age_interval

COLUMNS = ("path", "task", "label", "read", "low", "high", "p_wrong", "reason")


class Line(NamedTuple):
    """A label of an audit.

    Attributes:
      row: the face.
      task: "age" or "gender".
      p_wrong: the probability that it is wrong.
      cells: {column: text}, of `COLUMNS`.
    """

    row: int
    task: str
    p_wrong: float
    cells: dict[str, str]


def order(audit: Audit) -> list[tuple[str, int]]:
    """(task, face) of all audited labels, the likeliest to be wrong first; then by path."""
    tasks = [np.full(int(of.labels.known.sum()), name) for name, of in audit.tasks.items()]
    rows = [np.flatnonzero(of.labels.known) for of in audit.tasks.values()]
    wrong = [of.wrong[of.labels.known] for of in audit.tasks.values()]
    task, row, p = (np.concatenate(parts) for parts in (tasks, rows, wrong))
    at = np.lexsort((row, -p))
    return list(zip(task[at].tolist(), row[at].tolist(), strict=True))


def lines(audit: Audit, most: int | None = None) -> Iterator[Line]:
    """Yields the lines of the table, at most `most` of them."""
    reasons, paths = Reasons(audit), audit.faces.path
    interval = age_interval(audit.tasks["age"].p) if "age" in audit.tasks else None
    for task, i in order(audit)[:most]:
        of = audit.tasks[task]
        p = float(of.wrong[i])
        cells = {"path": str(paths[i]), "task": task, "label": of.labels.text(i)}
        if task == "age" and interval is not None:
            low, age, high = (f"{x[i]:.1f}" for x in interval)
            cells |= {"read": age, "low": low, "high": high}
        else:
            cells |= {"read": GENDER_NAMES[int(of.p[i].argmax())]}
        yield Line(i, task, p, cells | {"p_wrong": f"{p:.4f}", "reason": reasons.text(task, i)})


def write_table(audit: Audit, out: Path | None) -> None:
    """Writes the table as CSV to a file, or to stdout."""
    with written(out) as file:
        writer = CsvWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(line.cells for line in lines(audit))
