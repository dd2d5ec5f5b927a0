"""A small plot of a value and its interval, for a table's row or below a face."""

from collections.abc import Sequence

from agejax.reports.markup import Markup, el


def strip(
    top: float,
    value: float,
    interval: Sequence[float] | None,
    *,
    reference: float | None = None,
    truth: float | None = None,
) -> Markup:
    """Draws the value as a dot and its interval as a line, on a scale from 0 to `top`.

    `reference` is a thin vertical line, `truth` a dot of another colour.
    """
    at = lambda x: f"{100 * min(max(x / top, 0), 1):.1f}"
    marks = [("M0 8H100", "base")]
    if reference is not None:
        marks.append((f"M{at(reference)} 0V16", "reference"))
    if interval is not None:
        marks.append((f"M{at(interval[0])} 8H{at(interval[1])}", "interval"))
    # A line of zero length with round ends stays a dot when the plot is stretched.
    marks.append((f"M{at(value)} 8h0", "value"))
    if truth is not None:
        marks.append((f"M{at(truth)} 8h0", "truth"))
    paths = (el("path", d=d, class_=name, vector_effect="non-scaling-stroke") for d, name in marks)
    return el(
        "svg",
        paths,
        class_="strip",
        viewBox="0 0 100 16",
        preserveAspectRatio="none",
        aria_hidden="true",
    )
