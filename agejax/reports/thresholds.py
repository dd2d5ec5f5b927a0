"""The section of a report on age thresholds: both errors, challenge ages, and P(age >= T)."""

from collections.abc import Iterator, Mapping
from typing import Any

from agejax.evaluation.threshold_table import share_of
from agejax.metrics.groups import FEW
from agejax.reports.groups import table_of
from agejax.reports.markup import Markup, el, join
from agejax.reports.plots import Axis, axis_around, band, chart, dots, line, whiskers
from agejax.reports.section import Section, figure

_INTRO = """
An age is read in whole years. Of faces under a threshold, the tables give the share that is read as
over it (at or above it); of the others, the share that is read as under it, and would be asked for
proof. Intervals are exact binomial ones, 95%, over faces.
"""
_NONE = "–"


def thresholds(figures: Mapping[str, Any]) -> Section:
    """A table and two charts for each threshold."""
    parts = (_one(t, of) for t, of in figures["thresholds"].items())
    return Section("Thresholds", join(el("p", _INTRO), parts))


def _one(t: str, of: Mapping[str, Any]) -> Markup:
    return join(
        el("h3", f"{t} years"),
        el("p", _verdict(t, of), class_="verdict"),
        _table(t, of),
        _kept(t, of),
        el("div", _challenge(t, of), _probability(t, of["probability"]), class_="figures"),
    )


def _verdict(t: str, of: Mapping[str, Any]) -> str:
    few = [
        *(name for name, side in of["bands"].items() if not side["judged"]),
        *(
            f"{name} {where} {t}"
            for groups in of["groups"].values()
            for name, both in groups.items()
            for where in ("under", "over")
            if 0 < both[where]["n"] < FEW
        ),
    ]
    if not few:
        return f"Every cell has {FEW} faces or more."
    return f"Fewer than {FEW} faces, and so not judged: {', '.join(few)}."


def _kept(t: str, of: Mapping[str, Any]) -> Markup | None:
    """The errors at the limits that the run has for this threshold."""
    if not (kept := of.get("kept")):
        return None
    promise = (
        f"At most {kept['pass_under']:.2%} under {t} were to pass, with {kept['confidence']:.1%} "
        f"confidence, by {kept['n']:,} independent faces under {t} of the calibration."
    )
    found = []
    names = {"age": "challenge age {:g}", "probability": "a probability of {:.4f}"}
    for name, words in names.items():
        if (at := kept[name]) is None:
            continue
        shares = [
            f"{share_of(at[side], key)} of {at[side]['n']:,}"
            for side, key in (("under", "passed"), ("over", "challenged"))
        ]
        found.append(
            f"With {words.format(at['at'])}, {shares[0]} under {t} pass here, and {shares[1]} of "
            f"{t} or older are challenged."
        )
    return el("p", " ".join([promise, *(found or ["No limit does that: nobody passes."])]))


def _table(t: str, of: Mapping[str, Any]) -> Markup:
    labels = (f"under {t}", f"read as {t} or older", f"{t} or older", f"read as under {t}")
    rows = [_row("all", of["under"], of["over"], labels)]
    for name, side in of["bands"].items():
        under = side if "passed" in side else None
        rows.append(_row(name, under, None if under else side, labels))
    for groups in of["groups"].values():
        rows += [_row(name, both["under"], both["over"], labels) for name, both in groups.items()]
    head = [el("th", "group", scope="col")]
    head += [el("th", label, scope="col", class_="number") for label in labels]
    return el("table", el("thead", el("tr", head)), el("tbody", rows), class_="groups thresholds")


def _row(name: str, under: Any, over: Any, labels: tuple[str, ...]) -> Markup:
    texts = [*_cell(under, "passed"), *_cell(over, "challenged")]
    return el(
        "tr",
        el("th", name, scope="row"),
        (
            el("td", text, class_="number none" if text == _NONE else "number", data_label=label)
            for label, text in zip(labels, texts, strict=True)
        ),
    )


def _cell(side: Mapping[str, Any] | None, key: str) -> tuple[str, str]:
    if side is None or not side["n"]:
        return _NONE, _NONE
    return f"{side['n']:,}", share_of(side, key)


def _challenge(t: str, of: Mapping[str, Any]) -> Iterator[Markup]:
    curve, under, over = of["challenge"], of["under"]["n"], of["over"]["n"]
    if not under or not over:
        return
    ages = curve["age"]
    passed = [count / under for count in curve["passed"]]
    challenged = [count / over for count in curve["challenged"]]
    ends = {key: _ends(curve[f"{key}_interval"]) for key in ("passed", "challenged")}
    drawn = chart(
        Axis("challenge age, years", ages[0], ages[-1]),
        Axis("share of faces", 0, 1, ".0%"),
        band(ages, *ends["passed"], "b"),
        line(ages, passed, "b"),
        band(ages, *ends["challenged"]),
        line(ages, challenged),
        keys=[("b", f"under {t}, not challenged"), ("a", f"{t} or older, challenged")],
        alt=f"Shares of both errors by challenge age, for a threshold of {t} years.",
    )
    rows = {
        "age": ages,
        "passed": passed,
        "passed_interval": curve["passed_interval"],
        "challenged": challenged,
        "challenged_interval": curve["challenged_interval"],
    }
    share = "{:.1%}"
    columns = {"age": ("challenge age", "{}"), "passed": (f"under {t}, passed", share)}
    columns |= {"passed_interval": ("95%", share), "challenged": ("over, challenged", share)}
    yield figure(
        drawn,
        f"If all who are read as younger than the challenge age are asked for proof: the share of "
        f"the {under:,} faces under {t} who are not asked, and of the {over:,} others who are.",
        table_of(rows, columns | {"challenged_interval": ("95%", share)}),
    )


def _probability(t: str, of: Mapping[str, Any]) -> Iterator[Markup]:
    if not of["n"]:
        return
    bins = of["bins"]
    drawn = chart(
        Axis(f"P(age ≥ {t})", 0, 1, ".0%"),
        axis_around(f"share of {t} or older", [0, 1], form=".0%", zero=True),
        line([0, 1], [0, 1], "muted", dashed=True),
        whiskers(bins["mean"], bins["share_interval"]),
        dots(bins["mean"], bins["share"], tips=[f"{n:,} faces" for n in bins["n"]]),
        keys=[("a", "faces of like probability, 95%"), ("muted", "calibrated")],
        alt=f"Share of faces of {t} years or older, by the predicted probability of that.",
    )
    columns = {"n": ("faces", "{:,}"), "mean": ("P", "{:.1%}"), "share": ("true", "{:.1%}")}
    yield figure(
        drawn,
        f"Calibration of P(age ≥ {t}): its mean is {of['mean']:.1%}, the true share "
        f"{of['share']:.1%}, the mean distance from the dashed line {of['ece']:.1%}, the Brier "
        f"score {of['brier']:.4f}.",
        table_of(bins, columns | {"share_interval": ("95%", "{:.1%}")}),
    )


def _ends(intervals: list[list[float]]) -> tuple[list[float], list[float]]:
    return [low for low, _ in intervals], [high for _, high in intervals]
