"""The model card of the weights in the package, from its JSON; figures are of evaluations."""

from collections.abc import Iterator, Mapping
from typing import Any

from agejax.pretrained.card_sections import sections

_SHOWN = {
    "mae": "age error",
    "bias": "bias",
    "coverage": "inside the 90% interval",
    "gender_accuracy": "gender",
}
_SHARES = {"coverage", "gender_accuracy"}


def figures_of(evaluation: Mapping[str, Any], ranges: bool) -> dict[str, Any]:
    """What the card keeps of an evaluation.

    Args:
      evaluation: the contents of a run's `eval/SPLIT.json`.
      ranges: whether its ages are groups, so that errors count outside of them.
    """
    age, gender = evaluation["age"], evaluation["gender"]
    whole = {
        "n": evaluation["n"],
        "mae": age["mae"]["median"],
        "bias": age.get("bias"),
        "coverage": (age.get("interval") or {}).get("coverage"),
        "gender_accuracy": gender["accuracy"],
    }
    groups = {
        kind: {name: {key: of.get(key) for key in ("n", *_SHOWN)} for name, of in by.items()}
        for kind, by in evaluation.get("groups", {}).items()
    }
    return {"ages_are_groups": ranges, "all": whole, "groups": groups}


def essence(card: Mapping[str, Any]) -> Iterator[str]:
    """Yields the lines that `agejax describe` prints."""
    data = card["data"]
    yield f"{card['name']}: {card['what']}"
    yield f"data: {data['name']}, {data['licence']} ({data['attribution']})"
    yield f"start: {data['start']}; licence: {card['licence']}"
    for name, of in card["figures"].items():
        all_ = of["all"]
        where = " outside of their group" if of["ages_are_groups"] else ""
        shown = [f"age error {_number('mae', all_['mae'])} years{where}"]
        shown += [
            f"{text} {_number(key, all_[key])}" for key, text in _SHOWN.items() if key in _SHARES
        ]
        yield f"{name}: {all_['n']:,} faces, " + ", ".join(
            text for text in shown if text[-1] != " "
        )
    yield "not for: " + " ".join(card["not_for"])
    for limit in card["limits"]:
        yield f"limit: {limit}"


def markdown(card: Mapping[str, Any]) -> str:
    """The card as a page."""
    return "\n".join(_page(card)) + "\n"


def _page(card: Mapping[str, Any]) -> Iterator[str]:
    data, file = card["data"], card["file"]
    yield f"# Model card: {card['name']}"
    yield ""
    yield "Generated from agejax/pretrained/faces.json by benchmarks/model_card.py."
    yield ""
    yield f"The weights that come with agejax: {card['what']}."
    if file["bytes"]:
        yield f"File: {file['name']}, {file['bytes'] / 1e6:.1f} MB, SHA-256 {file['sha256']}."
    yield ""
    yield "## Data and licence"
    yield ""
    yield f"- Data: {data['name']}, {data['licence']}. {data['attribution']}. {data['changes']}."
    yield f"- Start: {data['start']}."
    yield f"- Licence of the weights: {card['licence']}."
    for title, key in (
        ("Intended use", "intended_use"),
        ("Not for", "not_for"),
        ("Limits", "limits"),
    ):
        yield from ("", f"## {title}", "")
        yield from (f"- {line}" for line in card[key])
    yield from ("", "## Figures")
    for name, of in card["figures"].items():
        yield from _table(name, of)
    yield from sections(card)
    yield from ("", "## How to make them again", "")
    yield from (f"    {line}" for line in card["made_by"])


def _table(name: str, of: Mapping[str, Any]) -> Iterator[str]:
    years = "outside the group" if of["ages_are_groups"] else "years"
    heads = [f"age error ({years})" if key == "mae" else text for key, text in _SHOWN.items()]
    yield from ("", f"### {name}", "")
    yield f"| faces | n | {' | '.join(heads)} |"
    yield "|---" * (2 + len(heads)) + "|"
    rows = {"all": of["all"]} | {
        f"{kind}: {group}": row for kind, by in of["groups"].items() for group, row in by.items()
    }
    for group, row in rows.items():
        cells = " | ".join(_number(key, row[key]) for key in _SHOWN)
        yield f"| {group} | {row['n']:,} | {cells} |"


def _number(key: str, value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.1%}" if key in _SHARES else f"{value:.2f}"
