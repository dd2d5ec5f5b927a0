"""The model card: what the model is for, where it fails, and what it learned from.

The headings are those of Mitchell et al., Model Cards for Model Reporting, FAT* 2019.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from agejax.metrics.groups import FEW, UNKNOWN
from agejax.reports.evaluation import Evaluation
from agejax.reports.markup import Markup, el, join

_USE = """
Research on reading age and gender from face crops: comparing models, measuring bias, and figures of
many faces together. It takes crops of one face each, with the margin of its training data.
"""
_NOT = """
Any decision about a person: who may buy, enter, work, travel or be insured, who is of age, or who
is suspect. Telling who somebody is. Watching people who did not agree.
"""
_APPARENT = """
A label is somebody’s real age when the photo was taken, as far as the data set knows it, and labels
of photos from films and the press can be wrong by years. The model sees how old a face looks.
Make-up, light, illness and retouching move the one and not the other, so that some error would
remain in a perfect model.
"""
_GENDER = """
Gender is what the data set says, one of two; it is no statement about how somebody identifies.
"""
_INTERVALS = """
An interval holds nine true ages in ten among faces like those of validation. For other cameras,
ages, places or crops nobody has tested that: evaluate on faces of yours first.
"""


def model_card(evaluation: Evaluation) -> Markup:
    """Intended use, limits, data and licence, and apparent against real age."""
    figures = evaluation.figures
    cards = {
        "Intended use": _USE,
        "Not for": _NOT,
        "Limits": join(*(el("p", text) for text in _limits(figures))),
        "Apparent and real age": _APPARENT,
        "Gender": _GENDER,
        "Uncertainty": _INTERVALS,
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
        f"On average an age is {mae:.1f} years off, and {1 - figures['age']['cs5']:.0%} of ages by "
        "more than five years."
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
                f"By {kind}, {name} fares worst: {worst['mae']:.1f} years over {worst['n']:,} "
                f"faces, {worst['mae'] / mae:.2f} times the error of all."
            )


def _data(data: Mapping[str, Any]) -> Iterator[Any]:
    about = data["about"]
    yield about.get("title", "The data set does not say what it is.") + "."
    yield f"Licence: {about.get('licence', 'not stated by the data set; ask who made it')}."
    yield "Weights that were trained on data are commonly held to inherit its terms."
    if "citation" in about:
        yield about["citation"] + "."
