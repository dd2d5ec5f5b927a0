"""The sections of a report about each task."""

from collections.abc import Iterator, Mapping
from typing import Any

from agejax.reports import charts
from agejax.reports.evaluation import Evaluation
from agejax.reports.groups import table_of
from agejax.reports.markup import Markup, el
from agejax.reports.section import Section, figure

_RANGE = {"low": ("from", "{}"), "high": ("to", "{}"), "n": ("faces", "{:,}")}


def ages(evaluation: Evaluation) -> Section:
    """Age: error, bias, calibration and risk."""
    figures = evaluation.figures
    drawn = [*_errors(evaluation), *_cumulative_and_bias(figures), *_by_year(figures)]
    drawn += _uncertainty(figures)
    return Section("Age", el("div", drawn, class_="figures"))


def _errors(evaluation: Evaluation) -> Iterator[Markup]:
    figures, arrays = evaluation.figures, evaluation.arrays
    curve, of, known = figures["curves"]["age"]["by_age"], figures["age"], arrays["age_known"]
    exact = known & (arrays["age_label"] == evaluation.last_age)
    splits = figures["data"]["splits"]
    # If the training faces are not available, none are drawn.
    test, train = splits[figures["split"]]["age"], splits.get("train", {"age": [0]})["age"]
    yield figure(
        charts.error_by_age(curve, of["mae"]["median"], test, train),
        f"Error by true age, {_intervals(figures)}, above the share of faces of each age among "
        f"the {of['n']:,} evaluated and the {sum(train):,} training faces.",
        table_of(curve, _RANGE | {"mae": ("MAE", "{:.2f}"), "mae_interval": ("95%", "{:.2f}")}),
    )
    yield figure(
        charts.predicted_against_true(evaluation.ages[1][exact], arrays["age_label"][exact]),
        f"Predicted against true age of {exact.sum():,} faces, in bins of two years; stronger "
        "colour means more faces. Dots are medians of the predictions for ten years of true age, "
        "lines their quartiles.",
    )


def _cumulative_and_bias(figures: Mapping[str, Any]) -> Iterator[Markup]:
    curves, base = figures["curves"]["age"], figures["baseline"]
    constant = base.get("age_cumulative")
    yield figure(
        charts.cumulative_score(curves["cumulative"], constant),
        "Cumulative score: the share of faces by maximum error. The dot is CS@5, "
        f"{figures['age']['cs5']:.1%}"
        + (
            f"; the dashed line predicts the training median, {base['age_median']:.0f} years, for "
            "every face."
            if constant
            else "."
        ),
        table_of(curves["cumulative"], {"years": ("years", "{}"), "share": ("share", "{:.1%}")}),
    )
    bias = {"bias": ("bias", "{:+.2f}"), "bias_interval": ("95%", "{:+.2f}")}
    yield figure(
        charts.bias_by_age(curves["by_age"]),
        f"Bias: predicted minus true age, {_intervals(figures)}. A decrease from left to right "
        "shows the regression to the mean of an uncertain model.",
        table_of(curves["by_age"], _RANGE | bias),
    )


def _by_year(figures: Mapping[str, Any]) -> Iterator[Markup]:
    curve = figures["curves"]["age"]["by_year"]
    columns = {"age": ("age", "{}"), "n": ("faces", "{:,}"), "bias": ("bias", "{:+.2f}")}
    columns |= {"bias_interval": ("95%", "{:+.2f}"), "mae": ("MAE", "{:.2f}")}
    yield figure(
        charts.bias_by_year(curve),
        f"Bias by single year of true age, {_intervals(figures)}. A year of few faces, or of one "
        "person, has a wide interval or none.",
        table_of(curve, columns),
    )


def _uncertainty(figures: Mapping[str, Any]) -> Iterator[Markup]:
    curves, inside = figures["curves"]["age"], figures["age"]["interval"]
    raw = figures["curves"]["uncalibrated"]["age"]["coverage"]
    yield figure(
        charts.coverage(curves["coverage"], raw, inside),
        "Calibration of ages: the share of true ages inside the central interval of each level. "
        "The dashed line is perfect calibration. The reported interval has a nominal coverage of "
        f"{inside['level']:.0%} and contains {inside['coverage']:.1%}.",
        table_of(curves["coverage"], {"level": ("level", "{:.0%}"), "share": ("inside", "{:.1%}")}),
    )
    yield figure(
        charts.risk(curves["risk"], "MAE of the rest, years", "", "widest intervals first"),
        "Risk against coverage: the error of the remaining faces when those with the widest "
        "intervals are rejected. The oracle rejects the largest errors first, which is the "
        "optimum.",
        table_of(curves["risk"], _risk_columns("MAE", "{:.2f}")),
    )


def other_task(task: str, evaluation: Evaluation) -> Section:
    """Another task: reliability of its probabilities, and risk."""
    figures = evaluation.figures
    curves, raw = figures["curves"][task], figures["curves"]["uncalibrated"][task]
    classes = evaluation.arrays[f"{task}_probabilities"].shape[1]
    columns = {"n": ("faces", "{:,}"), "confidence": ("confidence", "{:.1%}")}
    columns |= {"accuracy": ("accuracy", "{:.1%}"), "accuracy_interval": ("95%", "{:.1%}")}
    return Section(
        task.capitalize(),
        el(
            "div",
            figure(
                charts.reliability(curves["reliability"], raw["reliability"], classes),
                f"Reliability of {task}: accuracy by confidence, above the share of faces of each "
                f"confidence ({figures[task]['n']:,} in all). The mean distance from the dashed "
                f"line is the ECE, {figures[task]['ece']:.1%} "
                f"({figures['uncalibrated'][task]['ece']:.1%} before calibration).",
                table_of(curves["reliability"], columns),
            ),
            figure(
                charts.risk(
                    curves["risk"],
                    "errors among the rest",
                    ".0%" if curves["risk"]["risk"][0] > 0.05 else ".1%",
                    "least confident first",
                ),
                "Risk against coverage: the share of errors among the remaining faces when the "
                "least confident are rejected.",
                table_of(curves["risk"], _risk_columns("errors", "{:.2%}")),
            ),
            class_="figures",
        ),
    )


def _intervals(figures: Mapping[str, Any]) -> str:
    return f"with 95% bootstrap intervals over {figures['interval_over']}"


def _risk_columns(name: str, form: str) -> dict[str, tuple[str, str]]:
    columns = {"kept": ("kept", "{:.0%}"), "n": ("faces", "{:,}")}
    return columns | {
        "risk": (name, form),
        "risk_interval": ("95%", form),
        "best": ("oracle", form),
    }
