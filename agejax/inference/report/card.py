"""The model card: what the model is for, where it fails, and what it learned from.

The headings are those of Mitchell et al., Model Cards for Model Reporting, FAT* 2019.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from agejax.inference.markup import Markup, el, join
from agejax.inference.report.evaluation import Evaluation

_USE = """Research on reading age and gender from face crops: comparing models, measuring bias, and \
figures of many faces together. It takes crops of one face each, with the margin of its training \
data."""
_NOT = """Any decision about a person: who may buy, enter, work, travel or be insured, who is of \
age, or who is suspect. Telling who somebody is. Watching people who did not agree."""
_APPARENT = """The labels are real ages, reckoned from a date of birth and a photo’s year; the \
model sees how old a face looks. Make-up, lighting, illness and retouching move the one and not the \
other, so that some error would remain in a perfect model. The year of a photo is itself sometimes \
that of a film’s release, and the age then wrong by years."""
_GENDER = """Gender is what the data set says, one of two; it is no statement about how somebody \
identifies."""
_INTERVALS = """An interval holds nine true ages in ten among faces like those of validation. For \
other cameras, ages, places or crops nobody has tested that; evaluate on faces of yours first."""


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
    yield (
        f"On average an age is {figures['age']['mae']['median']:.1f} years off, and one face in "
        f"{_one_in(1 - figures['age']['cs5'])} by more than five years."
    )
    for kind, groups in figures["groups"].items():
        ratio = figures["worst_to_mean"][kind]
        if ratio:
            name, worst = max(
                (
                    (name, of)
                    for name, of in groups.items()
                    if of["mae"] is not None and of["n"] >= 30 and name != "unknown"
                ),
                key=lambda item: item[1]["mae"],
            )
            yield (
                f"By {kind}, {name} fares worst: {worst['mae']:.1f} years, {ratio:.2f} times the "
                f"error of all ({worst['n']:,} faces)."
            )


def _one_in(share: float) -> str:
    return f"{1 / share:.1f}".removesuffix(".0") if share > 0 else "none"


def _data(data: Mapping[str, Any]) -> Iterator[Any]:
    about = data["about"]
    yield about.get("title", "The data set does not say what it is.") + "."
    yield f"Licence: {about.get('licence', 'not stated by the data set; ask who made it')}."
    yield "Weights that were trained on data are commonly held to inherit its terms."
    if "citation" in about:
        yield about["citation"] + "."
