"""The sections of a report, from top to bottom."""

from collections.abc import Mapping
from typing import Any

from agejax.inference.markup import Markup, el, join
from agejax.inference.report import charts
from agejax.inference.report.card import model_card
from agejax.inference.report.evaluation import Evaluation
from agejax.inference.report.faces import gallery, worth_a_look
from agejax.inference.report.groups import group_table, scale_of, table_of
from agejax.inference.report.settings import config_tables

_RANGE = {"low": ("from", "{}"), "high": ("to", "{}"), "n": ("faces", "{:,}")}


def section(title: str, *children: Any) -> Markup:
    """A section that the page's navigation can name."""
    name = title.split()[0].lower()
    return el("section", el("h2", title), children, id=name)


def figure(drawn: Markup, caption: str, *more: Any) -> Markup:
    """A numbered figure."""
    return el("figure", drawn, el("figcaption", caption), more)


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
    for task in _others(figures):
        of = figures[task]
        guess = f"the majority has {base[f'{task}_accuracy']:.1%}; " if task == "gender" else ""
        tiles.append(
            _tile(f"{task.capitalize()}, accuracy", f"{of['accuracy']:.1%}", "",
                  of["accuracy_interval"], "{:.1%}", f"{guess}ECE {of['ece']:.1%}")
        )  # fmt: skip
    return el("ul", tiles, class_="tiles")


def ages(evaluation: Evaluation) -> Markup:
    """How far ages are off, for whom, and whether the model knows."""
    figures, arrays = evaluation.figures, evaluation.arrays
    curves, raw = figures["curves"]["age"], figures["curves"]["uncalibrated"]["age"]
    splits, known = figures["data"]["splits"], arrays["age_known"]
    over = f"95% bootstrap intervals over {figures['interval_over']}"
    by_age, shares = curves["by_age"], {"share": ("share", "{:.1%}")}
    mae, bias = ({k: (k, "{:.2f}"), f"{k}_interval": ("95%", "{:.2f}")} for k in ("mae", "bias"))
    return section(
        "Age",
        el(
            "div",
            figure(
                charts.error_by_age(
                    by_age,
                    figures["age"]["mae"]["median"],
                    splits[figures["split"]]["age"],
                    splits["train"]["age"],
                ),
                f"Error by true age, with {over}, above the share of faces of each age among the "
                f"{figures['age']['n']:,} evaluated and the {sum(splits['train']['age']):,} of "
                "training. Where training had few, errors are large.",
                table_of(by_age, _RANGE | mae),
            ),
            figure(
                charts.predicted_against_true(evaluation.ages[1][known], arrays["age_label"][known]),
                f"Predicted against true age of {figures['age']['n']:,} faces, counted in squares "
                "of two years; the darker, the more. Dots are medians of the predictions for ten "
                "years of true age, lines their quartiles.",
            ),
            figure(
                charts.cumulative_score(curves["cumulative"], figures["baseline"]["age_cumulative"]),
                f"Cumulative score: the share of faces whose age is at most so far off. The dot is "
                f"CS@5, {figures['age']['cs5']:.1%}; the dashed line guesses the training median, "
                f"{figures['baseline']['age_median']:.0f} years, for everybody.",
                table_of(curves["cumulative"], {"years": ("years", "{}")} | shares),
            ),
            figure(
                charts.bias_by_age(by_age),
                f"Bias: predicted minus true age, with {over}. A slope from the upper left to the "
                "lower right is the pull towards the mean that regression has when unsure.",
                table_of(by_age, _RANGE | bias),
            ),
            figure(
                charts.coverage(curves["coverage"], raw["coverage"], figures["age"]["interval"]),
                "Calibration of ages: how many true ages lie in the central interval of each "
                "level. On the dashed line the distribution means what it says. The interval that "
                f"predictions carry holds {figures['age']['interval']['coverage']:.1%}.",
                table_of(curves["coverage"], {"level": ("level", "{:.0%}")} | shares),
            ),
            figure(
                charts.risk(curves["risk"], "MAE of the others, years", "", "widest intervals first"),
                "Risk against coverage: the error of the faces that are kept when those of the "
                "widest intervals are left to somebody else. The oracle sets the largest errors "
                "aside; it bounds what is possible.",
                table_of(curves["risk"], _risk_columns("MAE", "{:.2f}")),
            ),
            class_="figures",
        ),
    )  # fmt: skip


def other_task(task: str, figures: Mapping[str, Any]) -> Markup:
    """Whether the probabilities of a task are honest, and what they are worth."""
    curves, raw = figures["curves"][task], figures["curves"]["uncalibrated"][task]
    classes = len(figures["data"]["splits"]["train"][task])
    columns = {"n": ("faces", "{:,}"), "confidence": ("confidence", "{:.1%}")}
    columns |= {"accuracy": ("accuracy", "{:.1%}"), "accuracy_interval": ("95%", "{:.1%}")}
    return section(
        task.capitalize(),
        el(
            "div",
            figure(
                charts.reliability(curves["reliability"], raw["reliability"], classes),
                f"Reliability of {task}: accuracy of faces of like confidence, "
                f"{figures[task]['n']:,} in all, and how many there are. The mean distance from "
                f"the dashed line is the ECE, {figures[task]['ece']:.1%} "
                f"({figures['uncalibrated'][task]['ece']:.1%} before calibration).",
                table_of(curves["reliability"], columns),
            ),
            figure(
                charts.risk(
                    curves["risk"], "errors among the others", ".1%", "least confident first"
                ),
                "Risk against coverage: the share of errors among the faces that are kept when "
                "the least confident are left to somebody else.",
                table_of(curves["risk"], _risk_columns("errors", "{:.2%}")),
            ),
            class_="figures",
        ),
    )


def groups(figures: Mapping[str, Any]) -> Markup:
    """The tables of groups, on one scale."""
    kinds, mae = figures["groups"], figures["age"]["mae"]["median"]
    top = scale_of(kinds)
    return section(
        "Groups",
        el(
            "p",
            f"Dots are the MAE, lines its 95% interval over {figures['interval_over']}; the thin "
            f"line marks all faces, {mae:.2f} years. Groups of few faces have wide intervals, and "
            "of many groups the worst looks bad by chance alone.",
        ),
        (
            group_table(kind, of, figures["worst_to_mean"][kind], top, mae)
            for kind, of in kinds.items()
        ),
    )


def faces(evaluation: Evaluation, pictures: Mapping[str, str], count: int) -> Markup:
    """The best and the worst."""
    return section(
        "Faces",
        el(
            "p",
            "Below each face the age with its interval, on 0 to 100 years, in blue, and the truth "
            "in orange. The faces furthest off are also where wrong labels gather. The photographs "
            f"are the data set’s: {evaluation.figures['data']['about'].get('licence', 'ask it')}.",
        ),
        (
            join(el("h3", name), gallery(evaluation, rows, pictures))
            for name, rows in worth_a_look(evaluation, count).items()
        ),
    )


def training(evaluation: Evaluation) -> Markup:
    """What the log tells of training."""
    figures = evaluation.figures
    step = f"{figures['step']:,}"
    drawn = charts.training(evaluation.log, figures["step"], ["age", *_others(figures)])
    told = "Training’s own figures are of augmented faces, with dropout, and so look worse."
    body = (
        figure(
            el("div", drawn, class_="figures thirds"),
            f"Training and validation by step; the dashed line is the checkpoint of this report, "
            f"{step}. {told}",
        )
        if drawn
        else el("p", "The run has no log of its training.")
    )
    return section("Training", body)


def data(figures: Mapping[str, Any]) -> Markup:
    """What the data are, and which of them were dropped and why."""
    about, splits = figures["data"]["about"], figures["data"]["splits"]
    rows = [
        f"{name}: {of['n']:,} faces" + (f" of {of['persons']:,} persons" if of["persons"] else "")
        for name, of in splits.items()
    ]
    left = figures["left_out"]
    text = f"{about.get('title', 'A data set that does not say what it is')}. {'; '.join(rows)}."
    text += f" {left} more of {figures['split']} were left out, whose images stand in train too."
    dropped = about.get("dropped")
    if not dropped:
        return section("Data", el("p", text), el("p", "It does not tell what it dropped."))
    total, whole = sum(dropped.values()), about["rows"]
    text += f" Of {whole:,} rows the build dropped {total:,}, {total / whole:.1%}, of all splits:"
    reasons = about.get("reasons", {})
    body = (
        el(
            "tr",
            el("th", el("code", reason), scope="row"),
            el("td", reasons.get(reason, "")),
            el("td", f"{n:,}", class_="number"),
            el("td", f"{n / whole:.1%}", class_="number"),
            el("td", el("i", style=f"width:{n / max(1, max(dropped.values())):.1%}"),
               class_="bar-cell"),
        )
        for reason, n in dropped.items()
    )  # fmt: skip
    return section("Data", el("p", text), el("table", el("tbody", body), class_="dropped"))


def card(evaluation: Evaluation) -> Markup:
    """The model card."""
    return section("Card of the model", model_card(evaluation))


def settings(figures: Mapping[str, Any]) -> Markup:
    """The config and the versions."""
    versions = ", ".join(f"{name} {of}" for name, of in figures["versions"].items())
    return section(
        "Settings", config_tables(figures["config"]), el("p", f"Evaluated by {versions}.")
    )


def _others(figures: Mapping[str, Any]) -> list[str]:
    """The tasks beside age that have figures."""
    return [task for task in figures["curves"] if task not in ("age", "uncalibrated")]


def _risk_columns(name: str, form: str) -> dict[str, tuple[str, str]]:
    columns = {"kept": ("kept", "{:.0%}"), "n": ("faces", "{:,}")}
    return columns | {
        "risk": (name, form),
        "risk_interval": ("95%", form),
        "best": ("oracle", form),
    }


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
