"""Marks: what is drawn between the axes of a chart, each a function of its frame."""

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from agejax.reports.axes import Frame, px
from agejax.reports.markup import Markup, el, join

Mark = Callable[[Frame], Markup]
Numbers = Iterable[float | None]


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
                cx=px(frame.x(at)),
                cy=px(frame.y(value)),
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
            f"M{px(frame.x(low))} {px(frame.y(place))}H{px(frame.x(high))}"
            if across
            else f"M{px(frame.x(place))} {px(frame.y(low))}V{px(frame.y(high))}"
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
        "text", text, x=px(frame.x(x)), y=px(frame.y(y)), class_=style, text_anchor=anchor
    )


def _rect(
    frame: Frame, xs: Sequence[float], ys: Sequence[float], name: str, tip: str, **more: Any
) -> Markup:
    left, right = frame.x(xs[0]), frame.x(xs[1])
    bottom, top = frame.y(ys[0]), frame.y(ys[1])
    return el(
        "rect",
        _tip(tip),
        x=px(left),
        y=px(top),
        width=px(right - left),
        height=px(bottom - top),
        class_=name,
        **more,
    )


def _tip(text: str) -> Markup | None:
    return el("title", text) if text else None


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
    return f"{px(frame.x(x))} {px(frame.y(y))}"


def _finite_rows(*columns: Iterable[Any]) -> list[tuple[Any, ...]]:
    return [row for row in zip(*columns, strict=True) if _all_finite(row)]


def _all_finite(row: Iterable[Any]) -> bool:
    return all(isinstance(v, str) or (v is not None and math.isfinite(v)) for v in row)
