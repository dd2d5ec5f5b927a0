"""The sections of a report that are not about one task."""

from collections.abc import Mapping
from typing import Any

from agejax.reports import charts
from agejax.reports.evaluation import Evaluation
from agejax.reports.faces import gallery, worth_a_look
from agejax.reports.groups import group_table, scale_of
from agejax.reports.markup import Markup, el, join
from agejax.reports.section import Section, figure
from agejax.reports.settings import config_tables


def summary(figures: Mapping[str, Any]) -> Markup:
    """The headline figures, each beside what guessing would give."""
    age, base, inside = figures["age"], figures["baseline"], figures["age"]["interval"]
    tiles = [
        _tile("Age, mean absolute error", f"{age['mae']['median']:.2f}", "years",
              age["mae_interval"], "{:.2f}", f"a constant median has {base['age_mae']:.2f}"),
        _tile("Within five years, CS@5", f"{age['cs5']:.1%}", "", age["cs5_interval"], "{:.1%}",
              f"a constant median has {base['age_cumulative'][5]:.1%}"),
        _tile(f"Inside the {inside['level']:.0%} interval", f"{inside['coverage']:.1%}", "",
              inside["coverage_interval"], "{:.1%}", f"it is {inside['width']:.1f} years wide"),
    ]  # fmt: skip
    for task in other_tasks(figures):
        of = figures[task]
        guess = f"the majority has {base[f'{task}_accuracy']:.1%}; " if task == "gender" else ""
        tiles.append(
            _tile(f"{task.capitalize()}, accuracy", f"{of['accuracy']:.1%}", "",
                  of["accuracy_interval"], "{:.1%}", f"{guess}ECE {of['ece']:.1%}")
        )  # fmt: skip
    return el("ul", tiles, class_="tiles")


def groups(figures: Mapping[str, Any]) -> Section:
    """The tables of groups, on one scale."""
    kinds, mae = figures["groups"], figures["age"]["mae"]["median"]
    top, ratios = scale_of(kinds), figures["worst_to_mean"]
    told = el(
        "p",
        f"Dots are the MAE, lines its 95% interval over {figures['interval_over']}; the thin line "
        f"marks all faces, {mae:.2f} years. Of many groups one looks bad by chance alone: what "
        "counts is an interval that does not touch the line.",
    )
    tables = (group_table(kind, of, ratios[kind], top, mae) for kind, of in kinds.items())
    return Section("Groups", join(told, tables))


def faces(evaluation: Evaluation, pictures: Mapping[str, str], count: int) -> Section:
    """The best and the worst."""
    licence = evaluation.figures["data"]["about"].get("licence", "not stated")
    told = el(
        "p",
        "Below each face the age with its interval, on 0 to 100 years, in blue, and the truth in "
        "orange; a wrong gender is orange, too. The faces furthest off are also where wrong labels "
        f"gather. These are photographs of the data set; its licence: {licence}.",
    )
    galleries = (
        join(el("h3", name), gallery(evaluation, rows, pictures))
        for name, rows in worth_a_look(evaluation, count).items()
    )
    return Section("Faces", join(told, galleries))


def training(evaluation: Evaluation) -> Section:
    """What the log tells of training."""
    step = evaluation.figures["step"]
    drawn = charts.training(evaluation.log, step, ["age", *other_tasks(evaluation.figures)])
    if not drawn:
        return Section("Training", el("p", "The run has no log of its training."))
    caption = (
        f"Training and validation by step; the dashed line is the checkpoint of this report, "
        f"{step:,}. Training’s own figures are of augmented faces, and of each step’s own weights."
    )
    return Section("Training", figure(el("div", drawn, class_="figures thirds"), caption))


def data(figures: Mapping[str, Any]) -> Section:
    """What the data are, and which of them were dropped and why."""
    about, splits = figures["data"]["about"], figures["data"]["splits"]
    counts = "; ".join(
        f"{name}: {of['n']:,} faces" + (f" of {of['persons']:,} persons" if of["persons"] else "")
        for name, of in splits.items()
    )
    text = f"{about.get('title', 'A data set that does not say what it is')}. {counts}."
    if left := figures["left_out"]:
        text += f" Of {figures['split']}, {left:,} more were left out: train has these very images."
    dropped, rows = about.get("dropped"), about.get("rows")
    if dropped is None or not rows:
        told = "It does not tell what it dropped."
        return Section("Data", el("p", f"{text} {told}"))
    total = sum(dropped.values())
    text += f" Of {rows:,} rows, the build dropped {total:,} ({total / rows:.1%}):"
    most, reasons = max([1, *dropped.values()]), about.get("reasons", {})
    body = (_dropped(name, reasons.get(name, ""), n, rows, most) for name, n in dropped.items())
    return Section("Data", join(el("p", text), el("table", el("tbody", body), class_="dropped")))


def _dropped(reason: str, meaning: str, n: int, rows: int, most: int) -> Markup:
    return el(
        "tr",
        el("th", el("code", reason), scope="row"),
        el("td", meaning),
        el("td", f"{n:,}", class_="number"),
        el("td", f"{n / rows:.1%}", class_="number"),
        el("td", el("i", style=f"width:{n / most:.1%}"), class_="bar-cell"),
    )


def settings(figures: Mapping[str, Any]) -> Section:
    """The config and the versions."""
    versions = ", ".join(f"{name} {of}" for name, of in figures["versions"].items())
    told = el("p", f"Evaluated with {versions}.")
    return Section("Settings", join(config_tables(figures["config"]), told))


def other_tasks(figures: Mapping[str, Any]) -> list[str]:
    """The tasks beside age that have figures."""
    return [task for task in figures["curves"] if task not in ("age", "uncalibrated")]


def _tile(
    name: str, value: str, unit: str, interval: list[float] | None, form: str, beside: str
) -> Markup:
    between = " to ".join(map(form.format, interval)) if interval else "unknown"
    return el(
        "li",
        el("span", name, class_="tile-name"),
        el("b", value, el("small", f" {unit}") if unit else None),
        el("span", f"95%: {between}"),
        el("span", beside, class_="soft"),
    )
