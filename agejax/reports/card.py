"""The model card: intended use, limits and training data.

The headings follow Mitchell et al., Model Cards for Model Reporting, FAT* 2019.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from agejax.metrics.groups import FEW, UNKNOWN
from agejax.reports.evaluation import Evaluation
from agejax.reports.markup import Markup, el, join

_USE = """
Research on predicting age and gender from face crops: comparing models, measuring bias, and
statistics over many faces. Inputs are crops of one face each, with the margin of the training data.
"""
_NOT = """
Any decision about a person, such as whether they may buy, enter, work, travel or be insured, are of
age, or are suspect. Identifying people. Surveillance without consent.
"""
_APPARENT = """
A label is a person’s real age when the photo was taken, as far as the data set knows it; labels of
photos from films and the press can be wrong by years. The model only sees how old a face looks.
Make-up, light, illness and retouching change the apparent age but not the real one, so even a
perfect model would have some error.
"""
_GENDER = """
Gender is the data set’s label, one of two values; it does not state how a person identifies.
"""
_INTERVALS = """
An interval contains nine true ages in ten on faces like those of the validation split. For other
cameras, ages, places or crops this has not been tested: evaluate on your own faces first.
"""

_THRESHOLDS = """
Shares at age thresholds are of these faces alone: of this data set, of cooperative people in
ordinary photographs, with its labels. They do not cover spoofing and disguise, photographs chosen
or altered to look older, other cameras and light, ages and groups of which the tables have few
faces, the skill of the person who then checks a card, or faces of a store, site or country that
were not evaluated. The intervals are of chance in the choice of faces, and of nothing else. Whether
an error rate is acceptable, or lawful, is not for this page to say.
"""


def model_card(evaluation: Evaluation) -> Markup:
    """Intended use, limits, data and licence, and apparent versus real age."""
    figures = evaluation.figures
    cards = {
        "Intended use": _USE,
        "Not for": _NOT,
        "Limits": join(*(el("p", text) for text in _limits(figures))),
        "Apparent and real age": _APPARENT,
        "Gender": _GENDER,
        "Uncertainty": _INTERVALS,
        **({"Age thresholds": _THRESHOLDS} if figures["thresholds"] else {}),
        "Data and licence": join(*(el("p", text) for text in _data(figures["data"]))),
    }
    return el(
        "dl",
        (el("div", el("dt", name), el("dd", text)) for name, text in cards.items()),
        class_="card",
    )


def _limits(figures: Mapping[str, Any]) -> Iterator[str]:
    mae = figures["age"]["mae"]["median"]
    yield (
        f"The mean absolute error of the age is {mae:.1f} years; for "
        f"{1 - figures['age']['cs5']:.0%} of faces it exceeds five years."
    )
    for kind, groups in figures["groups"].items():
        judged = {
            name: of
            for name, of in groups.items()
            if name != UNKNOWN and of["n"] >= FEW and of["mae_interval"]
        }
        if not judged:
            continue
        name, worst = max(judged.items(), key=lambda item: item[1]["mae"])
        if worst["mae_interval"][0] > mae:  # more than chance
            yield (
                f"By {kind}, the error is largest for {name}: {worst['mae']:.1f} years over "
                f"{worst['n']:,} faces, {worst['mae'] / mae:.2f} times the overall error."
            )


def _data(data: Mapping[str, Any]) -> Iterator[Any]:
    about = data["about"]
    yield about.get("title", "The data set has no description") + "."
    yield f"Licence: {about.get('licence', 'not stated by the data set; ask its authors')}."
    yield "Weights are commonly considered to inherit the terms of their training data."
    if "citation" in about:
        yield about["citation"] + "."
