"""The plot of error against training minutes, from docs/results.md and the kept curves.

    python benchmarks/error_by_minutes.py > docs/images/error-by-minutes.svg

Dots with intervals: test MAE of each row of the first table in docs/results.md. Lines: validation
MAE of the starts in results/learning_curve.json, from fewer to more faces, and of the programs in
results/time_to_error.json as they train, where these files exist.
"""

import math
import re
import sys

from error_by_gflops import RESULTS, name_of, rows
from learning_curve import JSON as CURVES
from learning_curve import STARTS, read_cells
from time_to_error import JSON as TIMES
from time_to_error import read_rounds

from agejax.reports.plots import Axis, chart, dots, line, note, standalone, whiskers

_TICKS = (1, 2, 5, 10, 20, 50, 100, 200, 500)
_HIGHEST = 8  # years
# Position of a label relative to its dot: text anchor, share of the minutes, years above.
_BESIDE = ("start", 1.06, 0.06)
_PLACES = {
    "FaceResNet": ("end", 0.97, 0.34),
    "fine-tuned for longer": ("end", 0.94, -0.1),
    "torch, Lite0": ("middle", 1.1, 0.3),
    "FaceResNet + Lite0": ("end", 0.96, -0.28),
    "six networks": ("middle", 1, 0.32),
    "distilled": ("start", 1.05, -0.06),
    "EfficientNetLite0": ("start", 1.06, 0.36),
}


def minutes_of(text: str) -> dict[str, float]:
    """{first cell of the table: minutes} of the rows with a time."""
    found = {}
    for row in text.splitlines():
        cells = [cell.strip() for cell in row.strip("|").split("|")]
        time = re.match(r"(\d+) (min|hours)", cells[8]) if cells[9:] else None
        if time and name_of(cells[0]):
            found[cells[0]] = int(time[1]) * (60 if time[2] == "hours" else 1)
    return found


def curves() -> list[tuple[str, list[tuple[float, float]]]]:
    """(name, its points (minutes, validation MAE)) of all that was kept."""
    found = []
    for start in STARTS:
        cells = [c for c in read_cells(CURVES) if c["start"] == start]
        cells.sort(key=lambda cell: cell["faces"])
        found.append((f"start: {start}", [(c["minutes"], c["mae"]) for c in cells]))
    for one in read_rounds(TIMES):
        found += [(program, [*map(tuple, curve)]) for program, curve in one["curves"].items()]
    return [(name, points) for name, points in found if points]


def main() -> None:
    """Writes an SVG file to standard output."""
    text = RESULTS.read_text(encoding="utf-8")
    minutes = list(minutes_of(text).values())
    table = [(*row, at) for row, at in zip(rows(text), minutes, strict=True)]
    marks, told = [], []
    for name, points in curves():
        x, y = zip(
            *((math.log10(max(at, 1)), min(mae, _HIGHEST)) for at, mae in points), strict=True
        )
        marks += [line(x, y, "muted"), dots(x, y, "muted", radius=2)]
        told.append(f"{name}, validation: {'; '.join(f'{m} min {mae}' for m, mae in points)}")
    for name, _, mae, low, high, at in table:
        style = "b" if name.startswith("torch") else "a"
        anchor, right, above = _PLACES.get(name, _BESIDE)
        x = math.log10(at)
        marks += [whiskers([x], [(low, high)], style), dots([x], [mae], style)]
        marks.append(note(math.log10(at * right), mae + above, name, style, anchor))
        told.append(f"{name}: {at} minutes, test MAE {mae}")
    x_axis = Axis(
        "minutes of training, one core",
        0,
        2.8,
        ticks=[math.log10(t) for t in _TICKS],
        names=[str(t) for t in _TICKS],
    )
    y_axis = Axis("MAE, years", 4, _HIGHEST)
    keys = [("a", "agejax, test"), ("b", "torch, test"), ("muted", "validation, kept curves")]
    drawn = chart(x_axis, y_axis, *marks, alt="; ".join(told), keys=keys, width=640, height=360)
    sys.stdout.write(standalone(drawn))


if __name__ == "__main__":
    main()
