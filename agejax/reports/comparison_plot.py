"""A comparison as a picture: each side's error with its interval, and each of its runs."""

from collections.abc import Mapping
from typing import Any

from agejax.reports.plots import Axis, Mark, axis_around, chart, dots, line, standalone, whiskers

_TITLES = {"age": "age MAE, years", "gender": "gender accuracy"}


def comparison_svg(figures: Mapping[str, Any], task: str = "age") -> str:
    """An .svg file of what `agejax.experiments.compare.compare` gives.

    A row for each side, the best on top. A dot is its mean over runs, with its 95% interval over
    faces; small marks are the runs. Blue is the reference, and what by chance alone may differ from
    it so much; orange is what differs by more.
    """
    sign = -1 if task == "age" else 1
    sides = sorted(figures["sides"].items(), key=lambda item: sign * item[1][task]["value"])
    rows = {name: of[task] for name, of in sides}
    names = [name if len(name) <= 30 else f"...{name[-27:]}" for name in rows]
    known = [end for of in rows.values() for end in (of["interval"] or [])]
    every = [value for of in rows.values() for value in of["runs"]]
    form = "" if task == "age" else ".0%"
    x = axis_around(f"{figures['split']} {_TITLES[task]}", every, known, form=form)
    y = Axis("", -0.5, len(rows) - 0.5, ticks=range(len(rows)), names=names)
    middle = rows[figures["against"]]["value"]
    marks: list[Mark] = [line([middle, middle], [y.low, y.high], "muted", dashed=True)]
    for at, of in enumerate(rows.values()):
        style = "b" if of["verdict"] in ("better", "worse") else "a"
        marks.append(whiskers([at], [of["interval"]], style, across=True))
        if len(of["runs"]) > 1:
            marks.append(dots(of["runs"], [at] * len(of["runs"]), "muted", radius=2))
        marks.append(dots([of["value"]], [at], style))
    apart = "differs from it by more than chance"
    keys = [("a", f"{figures['against']}, and what may equal it"), ("b", apart)]
    told = ", ".join(f"{name} {of['value']:.3g}" for name, of in reversed(rows.items()))
    return standalone(
        chart(
            x,
            y,
            *marks,
            alt=f"{x.label}: {told}",
            keys=keys,
            width=640,
            height=110 + 26 * len(rows),
            left=24 + 7 * max(map(len, names)),
        )
    )
