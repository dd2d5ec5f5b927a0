"""The HTML page of a comparison: its table, and plots of each side's ages."""

import datetime
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from agejax.experiments.compared_ages import age_curves
from agejax.experiments.compared_files import Compared
from agejax.experiments.comparison_table import TITLES, ends, notes, number, p_value, ranked
from agejax.reports.comparison_plot import comparison_chart
from agejax.reports.document import document, section
from agejax.reports.markup import Markup, el, join
from agejax.reports.plots import Axis, axis_around, band, chart, dots, heat, line, whiskers
from agejax.reports.section import Section, figure

_COLUMNS = ("runs", "mean", "95%", "difference", "95% of the difference", "p (Holm)", "verdict")


def comparison_page(compared: Compared, figures: Mapping[str, Any]) -> str:
    """The text of an HTML file.

    Args:
      compared: what the sides predict, with ages among them.
      figures: of `agejax.experiments.compare.compared_figures`.
    """
    against = figures["against"]
    curves = age_curves(compared, against)
    others = [name for name in ranked(figures, "age") if name != against]
    pairs = [(name, curves[name]) for name in others]
    parts = [
        Section("Difference", join(_tables(figures))),
        Section("Agreement", join(_agreements(against, curves, others))),
        Section("Error by age", _grid(_by_age(against, curves[against], *pair) for pair in pairs)),
        Section("Cumulative score", _grid(_scores(against, curves[against], *p) for p in pairs)),
    ]
    people = f" of {figures['persons']:,} persons" if figures["persons"] else ""
    lead = f"{figures['split']}: {figures['n']:,} faces{people}, the same for all sides."
    header = el(
        "header",
        el("p", "agejax compare", class_="eyebrow"),
        el("h1", "Comparison"),
        el("p", lead, class_="lead"),
    )
    day = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC")
    footer = el("footer", f"Written by agejax compare, {day}.")
    title = f"agejax compare: {', '.join(figures['sides'])}"
    return document(title, el("main", header, map(section, parts), footer))


def _tables(figures: Mapping[str, Any]) -> Iterator[Markup]:
    against = figures["against"]
    for task in figures["tasks"]:
        head = [el("th", c, scope="col", class_="number") for c in _COLUMNS]
        rows = (_row(task, name, figures) for name in ranked(figures, task))
        yield el("h3", TITLES[task])
        yield el("p", f"Differences are from {against}.", class_="verdict")
        yield el(
            "table",
            el("thead", el("tr", el("th", "side", scope="col"), head)),
            el("tbody", rows),
            class_="sides",
        )
    yield el("div", (el("p", text) for text in notes(figures) if text), class_="soft")
    yield figure(comparison_chart(figures), "Age MAE of each side; small dots are single runs.")


def _row(task: str, name: str, figures: Mapping[str, Any]) -> Markup:
    of = figures["sides"][name][task]
    cells = [str(len(of["runs"])), number(task, of["value"]), ends(task, of["interval"])]
    if name == figures["against"]:
        cells += ["–", "–", "–", "reference"]
    else:
        p = "unknown" if of["p_holm"] is None else p_value(of["p_holm"])
        cells += [number(task, of["difference"], "+"), ends(task, of["difference_interval"], "+")]
        cells += [p, of["verdict"]]
    titled = zip(_COLUMNS, cells, strict=True)
    row = (el("td", text, class_="number", data_label=label) for label, text in titled)
    return el("tr", el("th", name, scope="row"), row)


def _agreements(
    against: str, curves: Mapping[str, Mapping[str, Any]], others: list[str]
) -> Iterator[Markup]:
    yield el(
        "p",
        "Plots of Bland and Altman (Lancet 1986): the difference of two ages against their mean. "
        "The lines are the bias and the 95% limits of agreement, bias ± 1.96 standard deviations "
        "of the difference; the darker a cell, the more faces it has.",
    )
    drawn = [
        _bland_altman(f"{name} minus true age", curves[name]["truth"], curves[name]["points"])
        for name in (against, *others)
        if curves[name]["truth"]
    ]
    drawn += [
        _bland_altman(f"{name} minus {against}", of["reference"], of["points"], "reference")
        for name, of in ((name, curves[name]) for name in others)
    ]
    yield _grid(drawn)


def _bland_altman(
    title: str, of: Mapping[str, Any], points: Mapping[str, Any], kind: str = "truth"
) -> Markup:
    mean, apart = points[kind]
    low, high = of["limits"]
    y = axis_around("difference, years", apart.tolist(), of["limits"])
    wide = max(1.0, (y.high - y.low) / 40)
    x_edges, y_edges = np.arange(0, 122.5, 2.5), np.arange(y.low, y.high + wide, wide)
    counts, _, _ = np.histogram2d(apart, mean, bins=(y_edges, x_edges))
    shown = np.minimum(y_edges, y.high).tolist()
    x = Axis("mean of both, years", 0, max(100.0, float(mean.max())))
    across = [x.low, x.high]
    drawn = chart(
        x,
        y,
        heat(np.minimum(x_edges, x.high).tolist(), shown, counts.tolist(), tip="{:.0f} faces"),
        line(across, [0, 0], "muted", dashed=True),
        *(_interval(across, of[f"{name}_interval"]) for name in ("low", "bias", "high")),
        line(across, [of["bias"]] * 2, "b"),
        line(across, [low] * 2, "b", dashed=True),
        line(across, [high] * 2, "b", dashed=True),
        keys=[("a", "faces"), ("b", "bias and limits, 95% interval")],
        alt=f"{title}: bias {of['bias']:.2f} years, limits {low:.2f} to {high:.2f}.",
    )
    text = f"{title}: bias {of['bias']:+.2f} years"
    if of["bias_interval"]:
        text += " ({:+.2f} to {:+.2f})".format(*of["bias_interval"])
    return figure(drawn, f"{text}; limits of agreement {low:+.2f} to {high:+.2f}.")


def _interval(across: list[float], ends_of: list[float] | None) -> Any:
    low, high = ends_of or (None, None)
    return band(across, [low] * 2, [high] * 2, "b")


def _by_age(against: str, reference: Any, name: str, of: Any) -> Markup:
    sides = (("a", reference["by_age"], -0.5), ("b", of["by_age"], 0.5))
    ends_of = [end for _, c, _ in sides for pair in c["mae_interval"] if pair for end in pair]
    marks: list[Any] = []
    for style, c, shift in sides:
        at = [(low + high) / 2 + shift for low, high in zip(c["low"], c["high"], strict=True)]
        tips = [f"{n:,} faces" for n in c["n"]]
        marks += [whiskers(at, c["mae_interval"], style), dots(at, c["mae"], style, tips=tips)]
    drawn = chart(
        Axis("true age, years", 0, 100),
        axis_around("MAE, years", *(c["mae"] for _, c, _ in sides), ends_of, zero=True),
        *marks,
        keys=[("a", _short(against)), ("b", _short(name))],
        alt=f"Mean absolute error by true age: {against} and {name}.",
    )
    return figure(drawn, f"MAE of five years of age with 95% interval: {against}, {name}.")


def _scores(against: str, reference: Any, name: str, of: Any) -> Markup:
    marks: list[Any] = []
    for style, c in (("a", reference["cumulative"]), ("b", of["cumulative"])):
        pairs = [pair or (None, None) for pair in c["share_interval"]]
        low, high = zip(*pairs, strict=True)
        marks += [band(c["years"], low, high, style), line(c["years"], c["share"], style)]
    shares = [c["cumulative"]["share"][5] for c in (reference, of)]
    drawn = chart(
        Axis("maximum error, years", 0, 20),
        Axis("share of faces", 0, 1, ".0%"),
        *marks,
        keys=[("a", _short(against)), ("b", _short(name))],
        alt=f"Share of faces by largest tolerated error: {against} and {name}.",
    )
    text = f"CS@5: {against} {shares[0]:.1%}, {name} {shares[1]:.1%}. Bands are 95% intervals."
    return figure(drawn, text)


def _grid(drawn: Any) -> Markup:
    return el("div", drawn, class_="figures")


def _short(name: str) -> str:
    """A side's name in the key of a chart, which has one line for two."""
    return name if len(name) <= 24 else f"...{name[-21:]}"
