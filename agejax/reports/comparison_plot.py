"""Plots a comparison: each side's error with its interval, and its single runs."""

from collections.abc import Mapping
from typing import Any

from agejax.reports.markup import Markup
from agejax.reports.plots import Axis, Mark, axis_around, chart, dots, line, standalone, whiskers

_TITLES = {"age": "age MAE, years", "gender": "gender accuracy"}


def comparison_svg(figures: Mapping[str, Any], task: str = "age") -> str:
    """The text of an .svg file; see `comparison_chart`."""
    return standalone(comparison_chart(figures, task))


def comparison_chart(figures: Mapping[str, Any], task: str = "age") -> Markup:
    """A chart of the result of `agejax.experiments.compare.compare`.

    Each side is a row, the best on top. A large dot is the mean over its runs, with the 95%
    interval over faces; small dots are the single runs. The reference, and sides that do not differ
    significantly from it, are blue; sides that do are orange.
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
    apart = "significantly different"
    keys = [("a", f"{figures['against']}, and not significantly different"), ("b", apart)]
    values = ", ".join(f"{name} {of['value']:.3g}" for name, of in reversed(rows.items()))
    return chart(
        x,
        y,
        *marks,
        alt=f"{x.label}: {values}",
        keys=keys,
        width=640,
        height=110 + 26 * len(rows),
        left=24 + 7 * max(map(len, names)),
    )
