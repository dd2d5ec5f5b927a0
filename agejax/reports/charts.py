"""The figures of an evaluation as charts."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from agejax.metrics.curves import Curve
from agejax.reports.markup import Markup, join
from agejax.reports.plots import (
    Axis,
    Mark,
    axis_around,
    band,
    bars,
    chart,
    dots,
    heat,
    line,
    whiskers,
)

_AGE = Axis("true age, years", 0, 100)


def error_by_age(curve: Curve, mae: float, test: Sequence[int], train: Sequence[int]) -> Markup:
    """MAE by true age, above the share of faces of each age in the test and training splits."""
    at = _middles(curve)
    errors = chart(
        _AGE,
        axis_around("MAE, years", curve["mae"], _ends(curve["mae_interval"]), zero=True),
        line([0, 100], [mae, mae], "muted", dashed=True),
        whiskers(at, curve["mae_interval"]),
        dots(at, curve["mae"], tips=_tips(curve, "mae", "MAE {:.2f} years")),
        keys=[("a", "five years of age, 95% interval"), ("muted", "all faces")],
        alt="Mean absolute error of the predicted age, by true age.",
    )
    ages = np.arange(2, 100, 5)
    shares = [_by_five(counts) / max(1, sum(counts)) for counts in (test, train)]
    numbers = [
        f"{a - 2} to {a + 2} years: {n:,.0f}" for a, n in zip(ages, _by_five(test), strict=True)
    ]
    counts = chart(
        _AGE,
        axis_around("share of the faces", *shares, form=".0%", zero=True),
        bars(ages.tolist(), shares[0].tolist(), 4, tips=numbers),
        line(ages.tolist(), shares[1].tolist(), "b"),
        keys=[("a", "evaluated"), ("b", "training")],
        alt="Share of faces by true age, of the evaluated split and of training.",
        height=170,
    )
    return join(errors, counts)


def bias_by_age(curve: Curve) -> Markup:
    """Mean of predicted minus true age, by true age."""
    at = _middles(curve)
    return chart(
        _AGE,
        axis_around("predicted minus true, years", _ends(curve["bias_interval"]), curve["bias"]),
        line([0, 100], [0, 0], "muted", dashed=True),
        whiskers(at, curve["bias_interval"]),
        dots(at, curve["bias"], tips=_tips(curve, "bias", "{:+.2f} years")),
        keys=[("a", "bias, 95% interval"), ("muted", "none")],
        alt="Mean of predicted minus true age, by true age.",
    )


def bias_by_year(curve: Curve) -> Markup:
    """Mean of predicted minus true age, by single year of true age."""
    rows = zip(curve["age"], curve["n"], curve["bias"], strict=True)
    return chart(
        _AGE,
        axis_around("predicted minus true, years", _ends(curve["bias_interval"]), curve["bias"]),
        line([0, 100], [0, 0], "muted", dashed=True),
        whiskers(curve["age"], curve["bias_interval"]),
        dots(
            curve["age"],
            curve["bias"],
            radius=2.5,
            tips=[f"{age} years: {bias:+.2f} years, {n:,} faces" for age, n, bias in rows],
        ),
        keys=[("a", "bias of a single year, 95% interval"), ("muted", "none")],
        alt="Mean of predicted minus true age, by single year of true age.",
    )


def predicted_against_true(predicted: np.ndarray, age: np.ndarray) -> Markup:
    """2-D histogram of the predicted age, float [N] years, and the true age, int [N]."""
    edges = np.arange(-0.5, 102, 2)
    counts, _, _ = np.histogram2d(predicted, age, bins=(edges, edges))
    seen = np.clip(edges, 0, 100).tolist()
    tens = [(a, predicted[np.minimum(age // 10, 9) == a // 10]) for a in range(0, 100, 10)]
    quantiles = [(a + 4.5, np.quantile(of, [0.25, 0.5, 0.75])) for a, of in tens if len(of) >= 5]
    x = [at for at, _ in quantiles]
    return chart(
        _AGE,
        Axis("predicted age, years", 0, 100),
        heat(seen, seen, counts.tolist(), tip="{:.0f}"),
        line([0, 100], [0, 100], "muted", dashed=True),
        whiskers(x, [(q[0], q[2]) for _, q in quantiles], "b"),
        dots(x, [q[1] for _, q in quantiles], "b"),
        keys=[("a", "faces"), ("b", "median and quartiles of ten years"), ("muted", "equal")],
        alt="Predicted age against true age.",
        height=470,
    )


def cumulative_score(curve: Curve, constant: Sequence[float] | None) -> Markup:
    """Share of faces by maximum error in years, with a constant median's for comparison."""
    years = curve["years"]
    return chart(
        Axis("maximum error, years", 0, 20),
        Axis("share of faces", 0, 1, ".0%"),
        *([line(years, constant, "muted", dashed=True)] if constant else []),
        *_with_band(years, curve, "share"),
        dots([5], [curve["share"][5]], tips=[f"CS@5 {curve['share'][5]:.1%}"]),
        keys=[("a", "model, 95% interval"), *([("muted", "a constant median")] * bool(constant))],
        alt="Cumulative score: share of faces by largest tolerated error.",
    )


def coverage(curve: Curve, raw: Curve, shipped: dict[str, Any]) -> Markup:
    """Coverage of central intervals by level, and of the reported interval."""
    level, width = shipped["level"], f"{shipped['width']:.1f} years wide"
    return chart(
        Axis("level of the interval", 0, 1, ".0%"),
        Axis("true ages inside", 0, 1, ".0%"),
        line([0, 1], [0, 1], "muted", dashed=True),
        line(raw["level"], raw["share"], "muted"),
        *_with_band(curve["level"], curve, "share"),
        whiskers([level], [shipped["coverage_interval"]], "b"),
        dots([level], [shipped["coverage"]], "b", tips=[f"{shipped['coverage']:.1%}, {width}"]),
        keys=[
            ("a", "calibrated"),
            ("muted", "not calibrated"),
            ("b", f"the reported {level:.0%} interval"),
        ],
        alt="Share of true ages inside central intervals, by their level.",
    )


def risk(curve: Curve, label: str, form: str, certain: str) -> Markup:
    """Risk of the remaining faces when the least certain ones are rejected."""
    aside = [1 - kept for kept in curve["kept"]]
    return chart(
        Axis(f"faces rejected, {certain}", 0, 0.9, ".0%"),
        axis_around(
            label, [0.02], curve["risk"], _ends(curve["risk_interval"]), form=form, zero=True
        ),
        line([0, 0.9], [curve["risk"][0]] * 2, "muted", dashed=True),
        line(aside, curve["best"], "b", dashed=True),
        *_with_band(aside, curve, "risk"),
        keys=[("a", "model, 95% interval"), ("b", "oracle"), ("muted", "at random")],
        alt="Risk of the remaining faces, by the share that is rejected.",
    )


def reliability(curve: Curve, raw: Curve, classes: int) -> Markup:
    """Accuracy by confidence, above the share of faces of each confidence."""
    confidence = Axis("confidence", 1 / classes, 1, ".0%")
    ends = _ends(curve["accuracy_interval"])
    least = min([1 / classes, *curve["accuracy"], *raw["accuracy"], *ends])
    diagram = chart(
        confidence,
        Axis("accuracy", math.floor(least * 10) / 10, 1, ".0%"),
        line([1 / classes, 1], [1 / classes, 1], "muted", dashed=True),
        line(raw["confidence"], raw["accuracy"], "muted"),
        whiskers(curve["confidence"], curve["accuracy_interval"]),
        line(curve["confidence"], curve["accuracy"]),
        dots(curve["confidence"], curve["accuracy"], tips=[f"{n:,} faces" for n in curve["n"]]),
        keys=[("a", "calibrated, 95% interval"), ("muted", "not calibrated")],
        alt="Accuracy by confidence.",
    )
    shares = [n / sum(curve["n"]) for n in curve["n"]]
    counts = chart(
        confidence,
        axis_around("share of the faces", shares, form=".0%", zero=True),
        bars(curve["confidence"], shares, 0.025, tips=[f"{n:,} faces" for n in curve["n"]]),
        alt="Share of the faces by confidence.",
        height=150,
    )
    return join(diagram, counts)


def training(log: Sequence[dict[str, Any]], step: int, tasks: Sequence[str]) -> list[Markup]:
    """Charts by step of the loss, the age MAE and the accuracy of each other task.

    Args:
      log: the lines of `metrics.jsonl`.
      step: the step of the evaluated checkpoint.
      tasks: the tasks to draw, if the log has them.
    """
    charts = [
        _panel(log, step, "loss", "", ("loss",)),
        *(
            _panel(log, step, "age MAE, years", "", ("age", "mae", "median"), zero=True)
            if task == "age"
            else _panel(log, step, f"{task} accuracy", ".0%", (task, "accuracy"))
            for task in tasks
        ),
    ]
    return [made for made in charts if made is not None]


def _panel(
    log: Sequence[dict[str, Any]],
    step: int,
    label: str,
    form: str,
    path: Sequence[str],
    *,
    zero: bool = False,
) -> Markup | None:
    trained, validated = (
        [
            (entry["step"], value)
            for entry in log
            if (value := _at(entry, *before, *path)) is not None
        ]
        for before in ((), ("validation",))
    )
    if not trained + validated:
        return None
    y = axis_around(label, [value for _, value in trained + validated], form=form, zero=zero)
    keys = [("a", "training"), ("b", "validation")]
    return chart(
        Axis("step", 0, max(step, *(entry["step"] for entry in log))),
        y,
        line([step, step], [y.low, y.high], "muted", dashed=True),
        line(*_columns(trained)),
        line(*_columns(validated), "b"),
        dots(*_columns(validated), "b", radius=2.5),
        keys=keys if validated else keys[:1],
        alt=f"{label} by training step.",
        width=350,
        height=250,
    )


def _columns(points: Sequence[tuple[float, float]]) -> tuple[list[float], list[float]]:
    return [x for x, _ in points], [y for _, y in points]


def _with_band(x: Sequence[float], curve: Curve, name: str) -> tuple[Mark, Mark]:
    ends = [pair or (None, None) for pair in curve[f"{name}_interval"]]
    low, high = ([pair[i] for pair in ends] for i in (0, 1))
    return band(x, low, high), line(x, curve[name])


def _middles(curve: Curve) -> list[float]:
    return [(low + high) / 2 for low, high in zip(curve["low"], curve["high"], strict=True)]


def _ends(intervals: Sequence[Any]) -> list[float]:
    return [end for pair in intervals if pair for end in pair]


def _tips(curve: Curve, name: str, form: str) -> list[str]:
    rows = zip(curve["low"], curve["high"], curve["n"], curve[name], strict=True)
    return [
        f"{low} to {high} years: {form.format(value)}, {n:,} faces" for low, high, n, value in rows
    ]


def _by_five(counts: Sequence[int]) -> np.ndarray:
    """[labels] -> [20]: 0-4, 5-9, ... 95-100."""
    fives = np.minimum(np.arange(len(counts)) // 5, 19)
    return np.bincount(fives, counts, minlength=20)


def _at(tree: Any, *path: str) -> Any:
    for key in path:
        tree = tree.get(key) if isinstance(tree, dict) else None
    return tree
