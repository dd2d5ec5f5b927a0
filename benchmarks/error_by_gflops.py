"""README's plot of test error against FLOPs per face, from the first table in docs/results.md.

python benchmarks/error_by_gflops.py > docs/images/error-by-gflops.svg
"""

import re
import sys
from pathlib import Path

from agejax.reports.plots import Axis, chart, dots, note, standalone, whiskers

RESULTS = Path(__file__).parent.parent / "docs" / "results.md"
# Position of a label relative to its dot: text anchor, GFLOPs to the right, years above.
_BESIDE = ("start", 0.02, -0.05)
_PLACES = {
    "SmallCNN": ("start", -0.02, 0.42),
    "EfficientNetLite0": ("start", 0.02, 0.36),
    "FaceResNet": ("middle", 0, -0.47),
    "fine-tuned": ("start", 0.02, -0.09),
    "fine-tuned for longer": ("start", 0.02, 0.4),
    "distilled": ("start", 0.02, -0.38),
    "six networks": ("end", -0.02, -0.05),
    "torch, Lite0": ("end", -0.02, -0.05),
}
_NAMES = {  # labels by the start of the table's first cell; None: not drawn
    "ensemble of (3) and (5)": "FaceResNet + Lite0",
    "ensemble of all six": "six networks",
    "the package's weights": "fine-tuned",
    "the same for longer": "fine-tuned for longer",
    "distilled from two": None,
    "the same with its mirror image": "distilled",
    "baseline: plain fine-tuning": "torch, Lite0",
}


def rows(text: str) -> list[tuple[str, float, float, float, float]]:
    """(name, GFLOPs, MAE, low, high) of the rows that have them."""
    found = []
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        error = re.fullmatch(r"([\d.]+) \(([\d.]+) to ([\d.]+)\)", cells[3]) if cells[9:] else None
        if error and (name := name_of(cells[0])):
            found.append((name, float(cells[2]), *map(float, error.groups())))
    return found


def name_of(cell: str) -> str | None:
    """The label of a row that begins with this cell; None if it is not drawn."""
    named = [name for start, name in _NAMES.items() if cell.startswith(start)]
    return named[0] if named else [*cell.split("`"), cell][1]


def main() -> None:
    """Writes an SVG file to standard output."""
    table = rows(RESULTS.read_text(encoding="utf-8"))
    marks = []
    for name, gflops, mae, low, high in table:
        style = "b" if name.startswith("torch") else "a"
        anchor, right, above = _PLACES.get(name, _BESIDE)
        marks += [whiskers([gflops], [(low, high)], style), dots([gflops], [mae], style)]
        marks.append(note(gflops + right, mae + above, name, style, anchor))
    x = Axis("GFLOP a view of a face", 0, 2)
    y = Axis("test MAE, years", 4, 8)
    alt = "; ".join(f"{name}: {gflops} GFLOP, MAE {mae}" for name, gflops, mae, *_ in table)
    keys = [("a", "agejax"), ("b", "torch, the same faces")]
    sys.stdout.write(standalone(chart(x, y, *marks, alt=alt, keys=keys, width=640, height=360)))


if __name__ == "__main__":
    main()
