"""Plots as SVG, from small pure functions: a chart is two axes, and marks drawn between them.

    chart(Axis("true age, years", 0, 100), Axis("MAE, years", 0, 15),
          band(ages, low, high), line(ages, mae), alt="...")

Marks are drawn in their order. Each takes a style: "a" and "b" are a dark blue and a light orange,
which also the colour-blind and a grey printer tell apart; "muted" is for references. Colours come
from `STYLE`, which a page holds once and `standalone` puts into a file. Numbers that are NaN or
None are gaps. Text must fit two pixels larger, too: that is what a phone, which shrinks it, shows.
"""

from collections.abc import Sequence
from typing import Any

from agejax.reports.axes import Axis, Frame, axis_around, px, round_ticks
from agejax.reports.marks import Mark, band, bars, dots, heat, line, note, whiskers
from agejax.reports.markup import Markup, el, join

__all__ = [
    "STYLE",
    "Axis",
    "axis_around",
    "band",
    "bars",
    "chart",
    "dots",
    "heat",
    "line",
    "note",
    "round_ticks",
    "standalone",
    "whiskers",
]

STYLE = """
:root { --plot-ink: #1f2933; --plot-soft: #5d6873; --plot-grid: #e4e7eb; --plot-paper: #ffffff;
  --plot-a: #1b5e9e; --plot-b: #d9711c; --plot-muted: #87919b }
@media screen and (prefers-color-scheme: dark) { :root {
  --plot-ink: #e6e9ec; --plot-soft: #a3adb7; --plot-grid: #2c343d; --plot-paper: #14181d;
  --plot-a: #7cc0f2; --plot-b: #e8834a; --plot-muted: #7d8791 } }
.plot { font: 12px system-ui, -apple-system, "Segoe UI", Roboto, "Liberation Sans", sans-serif;
  font-variant-numeric: tabular-nums; --c: var(--plot-a) }
.plot text { fill: var(--plot-soft) }
.plot .name { fill: var(--plot-ink) }
.plot .grid { stroke: var(--plot-grid) }
.plot .axis { stroke: var(--plot-soft) }
.plot .a { --c: var(--plot-a) }
.plot .b { --c: var(--plot-b) }
.plot .muted { --c: var(--plot-muted) }
.plot .line { fill: none; stroke: var(--c); stroke-width: 2; stroke-linejoin: round;
  stroke-linecap: round }
.plot .dashed { stroke-width: 1.5; stroke-dasharray: 5 4; stroke-linecap: butt }
.plot .band { fill: var(--c); fill-opacity: .18 }
.plot .whisker { fill: none; stroke: var(--c); stroke-width: 1.5 }
.plot .dot { fill: var(--c); stroke: var(--plot-paper) }
.plot .bar, .plot .cell { fill: var(--c) }
.plot .key { fill: var(--c) }
@media screen and (max-width: 640px) { .plot { font-size: 14px } }
"""


def chart(
    x: Axis,
    y: Axis,
    *marks: Mark,
    alt: str,
    keys: Sequence[tuple[str, str]] = (),
    width: int = 480,
    height: int = 300,
    left: int = 58,
) -> Markup:
    """A chart as an <svg>; it scales to the width of what holds it.

    Args:
      x: the axis below.
      y: the axis at the left, with its label above.
      *marks: drawn in this order.
      alt: what the chart shows, for those who do not see it.
      keys: (style, text) of each kind of mark that needs an explanation.
      width: pixels, at which its text has the size of the page's small print.
      height: pixels.
      left: pixels for the names of the y axis' ticks.
    """
    top = 52 if keys else 32
    frame = Frame(x, y, left, width - 14, top, height - 48)
    drawn = [mark(frame) for mark in marks]
    return el(
        "svg",
        [_grid(frame), drawn, _axes(frame), _key(keys)],
        xmlns="http://www.w3.org/2000/svg",
        class_="plot",
        viewBox=f"0 0 {width} {height}",
        role="img",
        aria_label=alt,
    )


def standalone(svg: Markup) -> str:
    """A chart as the text of an .svg file, which brings its own colours."""
    head, _, body = svg.partition(">")
    return f"{head}><style>{STYLE}</style>{body}\n"


def _grid(frame: Frame) -> Markup:
    levels = [px(frame.y(value)) for value, _ in frame.y_axis.named_ticks(_y_ticks(frame))]
    path = "".join(f"M{px(frame.left)} {at}H{px(frame.right)}" for at in levels)
    return el("path", d=path, class_="grid")


def _axes(frame: Frame) -> Markup:
    base = px(frame.bottom)
    below = frame.x_axis.named_ticks(round((frame.right - frame.left) / 55))
    beside = frame.y_axis.named_ticks(_y_ticks(frame))
    ticks = "".join(f"M{px(frame.x(value))} {base}v4" for value, _ in below)
    middle = (frame.left + frame.right) / 2
    return join(
        el("path", d=f"M{px(frame.left)} {base}H{px(frame.right)}{ticks}", class_="axis"),
        (_text(frame.x(value), frame.bottom + 18, name, "middle") for value, name in below),
        (_text(frame.left - 8, frame.y(value) + 4, name, "end") for value, name in beside),
        _text(middle, frame.bottom + 40, frame.x_axis.label, "middle", class_="name"),
        _text(4, frame.top - 16, frame.y_axis.label, "start", class_="name"),
    )


def _y_ticks(frame: Frame) -> int:
    return min(5, round((frame.bottom - frame.top) / 36))


def _key(keys: Sequence[tuple[str, str]]) -> Markup:
    """One line of text, so that its parts cannot run into one another in any font."""
    parts = []
    for style, text in keys:
        parts += [el("tspan", "\u25cf", class_=f"key {style}"), f"\u2002{text}\u2003"]
    return el("text", parts, x=4, y=14) if parts else Markup()


def _text(x: float, y: float, text: str, anchor: str, **more: Any) -> Markup:
    return el("text", text, x=px(x), y=px(y), text_anchor=anchor, **more)
