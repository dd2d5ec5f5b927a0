"""The sections of a report that are not about one task."""

from collections.abc import Mapping
from typing import Any

from agejax.reports import charts
from agejax.reports.balanced import balanced_table
from agejax.reports.evaluation import Evaluation
from agejax.reports.faces import gallery, worth_a_look
from agejax.reports.groups import group_table, scale_of
from agejax.reports.markup import Markup, el, join
from agejax.reports.section import Section, figure
from agejax.reports.settings import config_tables


def summary(figures: Mapping[str, Any]) -> Markup:
    """The main figures, each with a baseline for comparison."""
    age, base, inside = figures["age"], figures["baseline"], figures["age"]["interval"]
    tiles = [
        _tile("Age, mean absolute error", f"{age['mae']['median']:.2f}", "years",
              age["mae_interval"], "{:.2f}", f"constant median: {base['age_mae']:.2f}"),
        _tile("Within five years, CS@5", f"{age['cs5']:.1%}", "", age["cs5_interval"], "{:.1%}",
              f"constant median: {base['age_cumulative'][5]:.1%}"),
        _tile(f"Inside the {inside['level']:.0%} interval", f"{inside['coverage']:.1%}", "",
              inside["coverage_interval"], "{:.1%}", f"width: {inside['width']:.1f} years"),
    ]  # fmt: skip
    for task in other_tasks(figures):
        of = figures[task]
        guess = f"majority class: {base[f'{task}_accuracy']:.1%}; " if task == "gender" else ""
        tiles.append(
            _tile(f"{task.capitalize()}, accuracy", f"{of['accuracy']:.1%}", "",
                  of["accuracy_interval"], "{:.1%}", f"{guess}ECE {of['ece']:.1%}")
        )  # fmt: skip
    return el("ul", tiles, class_="tiles")


def groups(figures: Mapping[str, Any]) -> Section:
    """The tables of groups, on a common scale."""
    kinds, mae = figures["groups"], figures["age"]["mae"]["median"]
    top, ratios = scale_of(kinds), figures["worst_to_mean"]
    intro = el(
        "p",
        f"Dots are the MAE, lines its 95% interval over {figures['interval_over']}; the thin line "
        f"is the overall MAE, {mae:.2f} years. With many groups, some look bad by chance: only an "
        "interval that does not touch the line indicates a difference.",
    )
    tests = figures["equality"]
    tables = (
        group_table(kind, of, ratios[kind], top, mae, tests.get(kind)) for kind, of in kinds.items()
    )
    return Section("Groups", join(intro, balanced_table(figures["balanced"]), tables))


def faces(evaluation: Evaluation, pictures: Mapping[str, str], count: int) -> Section:
    """The best and the worst predictions."""
    licence = evaluation.figures["data"]["about"].get("licence", "not stated")
    intro = el(
        "p",
        "Below each face: the predicted age with its interval, on a scale from 0 to 100 years, in "
        "blue, and the true age in orange; a wrong gender is also orange. Wrong labels are common "
        "among the largest errors. The photographs are from the data set; its licence: "
        f"{licence}.",
    )
    galleries = (
        join(el("h3", name), gallery(evaluation, rows, pictures))
        for name, rows in worth_a_look(evaluation, count).items()
    )
    return Section("Faces", join(intro, galleries))


def training(evaluation: Evaluation) -> Section:
    """The training curves."""
    step = evaluation.figures["step"]
    drawn = charts.training(evaluation.log, step, ["age", *other_tasks(evaluation.figures)])
    if not drawn:
        return Section("Training", el("p", "The run has no training log."))
    caption = (
        f"Training and validation by step; the dashed line is the checkpoint of this report, "
        f"{step:,}. Training figures are for augmented faces and the weights of each step."
    )
    return Section("Training", figure(el("div", drawn, class_="figures thirds"), caption))


def data(figures: Mapping[str, Any]) -> Section:
    """The data set, and how many rows were dropped for which reason."""
    about, splits = figures["data"]["about"], figures["data"]["splits"]
    counts = "; ".join(
        f"{name}: {of['n']:,} faces" + (f" of {of['persons']:,} persons" if of["persons"] else "")
        for name, of in splits.items()
    )
    text = f"{about.get('title', 'A data set without a description')}. {counts}."
    if left := figures["left_out"]:
        text += (
            f" {left:,} more images of {figures['split']} were excluded: they are also in the "
            "training split."
        )
    dropped, rows = about.get("dropped"), about.get("rows")
    if dropped is None or not rows:
        return Section("Data", el("p", f"{text} It does not record dropped rows."))
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
    evaluated = el("p", f"Evaluated with {versions}.")
    return Section("Settings", join(config_tables(figures["config"]), evaluated))


def other_tasks(figures: Mapping[str, Any]) -> list[str]:
    """The tasks other than age that have figures."""
    return [task for task in figures["curves"] if task not in ("age", "uncalibrated")]


def _tile(
    name: str, value: str, unit: str, interval: list[float] | None, form: str, comparison: str
) -> Markup:
    between = " to ".join(map(form.format, interval)) if interval else "unknown"
    return el(
        "li",
        el("span", name, class_="tile-name"),
        el("b", value, el("small", f" {unit}") if unit else None),
        el("span", f"95%: {between}"),
        el("span", comparison, class_="soft"),
    )
