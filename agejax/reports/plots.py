"""Plots as SVG, from small pure functions: a chart is two axes, and marks drawn between them.

    chart(Axis("true age, years", 0, 100), Axis("MAE, years", 0, 15),
          band(ages, low, high), line(ages, mae), alt="...")

Marks are drawn in their order. Each takes a style: "a" and "b" are a dark blue and a light orange,
which also the colour-blind and a grey printer tell apart; "muted" is for references. Colours come
from `STYLE`, which a page holds once and `standalone` puts into a file. Numbers that are NaN or
None are gaps. Text must fit two pixels larger, too: that is what a phone, which shrinks it, shows.
"""

import dataclasses
import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from agejax.reports.markup import Markup, el, join

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


@dataclasses.dataclass(frozen=True)
class Axis:
    """One axis: what it shows, with its unit, from where to where.

    Attributes:
      label: "true age, years".
      low: the value at its start.
      high: the value at its end, another one.
      form: of its numbers: a format, such as ".0%".
      ticks: values; round ones by default.
      names: of the ticks, in place of their numbers.
    """

    label: str
    low: float
    high: float
    form: str = ""
    ticks: Sequence[float] | None = None
    names: Sequence[str] | None = None

    def named_ticks(self, about: int) -> list[tuple[float, str]]:
        """The ticks with their texts; `about` so many where none are given."""
        values = round_ticks(self.low, self.high, about) if self.ticks is None else self.ticks
        names = self.names or [_number(value, self.form) for value in values]
        return list(zip(values, names, strict=True))


def axis_around(
    label: str, *values: Iterable[float | None], form: str = "", zero: bool = False
) -> Axis:
    """The axis from one round number to another that holds all values, and zero if asked."""
    finite = [v for of in values for v in of if v is not None and math.isfinite(v)]
    finite += [0.0] if zero or not finite else []
    low, high = min(finite), max(finite)
    if low == high:
        low, high = (low, low + 1) if low == 0 else (min(0.0, 2 * low), max(0.0, 2 * low))
    step = _round_step((high - low) / 5)
    return Axis(label, math.floor(low / step) * step, math.ceil(high / step) * step, form)


def round_ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Multiples of 1, 2 or 5 times a power of ten in [low, high], about so many."""
    step = _round_step((high - low) / about)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(i * step, 12) for i in range(first, last + 1)]


@dataclasses.dataclass(frozen=True)
class Frame:
    """Where the axes lie in the picture, in pixels from its upper left."""

    x_axis: Axis
    y_axis: Axis
    left: float
    right: float
    top: float
    bottom: float

    def x(self, value: float) -> float:
        """Where a value of the x axis lies."""
        axis = self.x_axis
        return self.left + (value - axis.low) / (axis.high - axis.low) * (self.right - self.left)

    def y(self, value: float) -> float:
        """Where a value of the y axis lies."""
        axis = self.y_axis
        return self.bottom - (value - axis.low) / (axis.high - axis.low) * (self.bottom - self.top)


Mark = Callable[[Frame], Markup]
Numbers = Iterable[float | None]


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


def line(x: Numbers, y: Numbers, style: str = "a", *, dashed: bool = False) -> Mark:
    """Points joined in their order."""
    points = [*zip(x, y, strict=True)]
    name = f"line {style} dashed" if dashed else f"line {style}"
    return lambda frame: join(
        el("path", d="M" + "L".join(part), class_=name) for part in _runs(frame, points)
    )


def band(x: Numbers, low: Numbers, high: Numbers, style: str = "a") -> Mark:
    """The area between two lines, such as an interval at each x."""
    rows = _finite_rows(x, low, high)

    def draw(frame: Frame) -> Markup:
        edge = [_at(frame, at, top) for at, _, top in rows]
        edge += [_at(frame, at, bottom) for at, bottom, _ in reversed(rows)]
        return el("path", d=f"M{'L'.join(edge)}Z", class_=f"band {style}") if rows else Markup()

    return draw


def dots(
    x: Numbers, y: Numbers, style: str = "a", *, radius: float = 3.5, tips: Iterable[str] = ()
) -> Mark:
    """A dot at each point; `tips`, one for each, are shown where a mouse rests on it."""
    points = [*zip(x, y, strict=True)]
    rows = _finite_rows(*zip(*points, strict=True), tips or [""] * len(points)) if points else []

    def draw(frame: Frame) -> Markup:
        return join(
            el(
                "circle",
                _tip(tip),
                cx=_px(frame.x(at)),
                cy=_px(frame.y(value)),
                r=radius,
                class_=f"dot {style}",
            )
            for at, value, tip in rows
        )

    return draw


def whiskers(
    at: Numbers, intervals: Iterable[Any], style: str = "a", *, across: bool = False
) -> Mark:
    """An interval (low, high) at each place; None is a gap. They stand; with `across`, they lie."""
    rows = [(place, *ends) for place, ends in zip(at, intervals, strict=True) if ends is not None]
    rows = _finite_rows(*zip(*rows, strict=True)) if rows else []

    def draw(frame: Frame) -> Markup:
        d = "".join(
            f"M{_px(frame.x(low))} {_px(frame.y(place))}H{_px(frame.x(high))}"
            if across
            else f"M{_px(frame.x(place))} {_px(frame.y(low))}V{_px(frame.y(high))}"
            for place, low, high in rows
        )
        return el("path", d=d, class_=f"whisker {style}") if rows else Markup()

    return draw


def bars(
    at: Iterable[float],
    values: Iterable[float],
    wide: float,
    style: str = "a",
    *,
    across: bool = False,
    tips: Iterable[str] = (),
) -> Mark:
    """A bar from zero to each value, `wide` in units of the axis on which it stands at `at`.

    They stand on the x axis; with `across`, they lie from the y axis.
    """
    points = [*zip(at, values, strict=True)]
    told = [*tips] or [""] * len(points)

    def draw(frame: Frame) -> Markup:
        drawn = []
        for (place, value), tip in zip(points, told, strict=True):
            ends = (min(0.0, value), max(0.0, value))
            sides = (place - wide / 2, place + wide / 2)
            xs, ys = (ends, sides) if across else (sides, ends)
            drawn.append(_rect(frame, xs, ys, f"bar {style}", tip))
        return join(drawn)

    return draw


def heat(
    x_edges: Sequence[float],
    y_edges: Sequence[float],
    values: Sequence[Sequence[float]],
    style: str = "a",
    tip: str = "{:g}",
) -> Mark:
    """A cell between the edges for each of values[row of y][column of x] above 0.

    The fuller its colour, the larger the value: its area's root, so that small ones are seen.
    """
    top = max((value for row in values for value in row), default=0)

    def draw(frame: Frame) -> Markup:
        cells = []
        for i, row in enumerate(values):
            for j, value in enumerate(row):
                if value > 0:
                    xs, ys = (x_edges[j], x_edges[j + 1]), (y_edges[i], y_edges[i + 1])
                    shade = f"{0.12 + 0.88 * math.sqrt(value / top):.2f}"
                    cells.append(
                        _rect(frame, xs, ys, f"cell {style}", tip.format(value), fill_opacity=shade)
                    )
        return join(cells)

    return draw


def note(x: float, y: float, text: str, style: str = "muted", anchor: str = "start") -> Mark:
    """A text at a point; `anchor` is "start", "middle" or "end"."""
    return lambda frame: el(
        "text", text, x=_px(frame.x(x)), y=_px(frame.y(y)), class_=style, text_anchor=anchor
    )


def _grid(frame: Frame) -> Markup:
    levels = [_px(frame.y(value)) for value, _ in frame.y_axis.named_ticks(_y_ticks(frame))]
    path = "".join(f"M{_px(frame.left)} {at}H{_px(frame.right)}" for at in levels)
    return el("path", d=path, class_="grid")


def _axes(frame: Frame) -> Markup:
    base = _px(frame.bottom)
    below = frame.x_axis.named_ticks(round((frame.right - frame.left) / 55))
    beside = frame.y_axis.named_ticks(_y_ticks(frame))
    ticks = "".join(f"M{_px(frame.x(value))} {base}v4" for value, _ in below)
    middle = (frame.left + frame.right) / 2
    return join(
        el("path", d=f"M{_px(frame.left)} {base}H{_px(frame.right)}{ticks}", class_="axis"),
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


def _rect(
    frame: Frame, xs: Sequence[float], ys: Sequence[float], name: str, tip: str, **more: Any
) -> Markup:
    left, right = frame.x(xs[0]), frame.x(xs[1])
    bottom, top = frame.y(ys[0]), frame.y(ys[1])
    return el(
        "rect",
        _tip(tip),
        x=_px(left),
        y=_px(top),
        width=_px(right - left),
        height=_px(bottom - top),
        class_=name,
        **more,
    )


def _tip(text: str) -> Markup | None:
    return el("title", text) if text else None


def _text(x: float, y: float, text: str, anchor: str, **more: Any) -> Markup:
    return el("text", text, x=_px(x), y=_px(y), text_anchor=anchor, **more)


def _runs(frame: Frame, points: Iterable[tuple[Any, Any]]) -> list[list[str]]:
    """The points in pixels, in parts between the gaps."""
    runs: list[list[str]] = [[]]
    for point in points:
        if _all_finite(point):
            runs[-1].append(_at(frame, *point))
        elif runs[-1]:
            runs.append([])
    return [run for run in runs if run]


def _at(frame: Frame, x: float, y: float) -> str:
    return f"{_px(frame.x(x))} {_px(frame.y(y))}"


def _px(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


def _finite_rows(*columns: Iterable[Any]) -> list[tuple[Any, ...]]:
    return [row for row in zip(*columns, strict=True) if _all_finite(row)]


def _all_finite(row: Iterable[Any]) -> bool:
    return all(isinstance(v, str) or (v is not None and math.isfinite(v)) for v in row)


def _round_step(about: float) -> float:
    power = 10.0 ** math.floor(math.log10(about))
    return next(n * power for n in (1, 2, 5, 10) if about <= n * power * (1 + 1e-9))


def _number(value: float, form: str) -> str:
    return format(value, form) if form else f"{value:,.10g}"
