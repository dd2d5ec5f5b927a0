"""The table of means in which rare ages count as much as common ones."""

from collections.abc import Iterator, Mapping
from typing import Any

from agejax.reports.markup import Markup, el

_SHOTS = {
    "many": "many-shot: ages of over 100 training faces",
    "medium": "medium-shot: of 20 to 100",
    "few": "few-shot: of under 20",
}


def balanced_table(balanced: Mapping[str, Any]) -> Markup | None:
    """`agejax.metrics.balanced.balanced_figures` as a table; None if there are none."""
    if not balanced:
        return None
    head = [el("th", "mean over", scope="col")]
    head += [el("th", name, scope="col", class_="number") for name in ("of", "MAE, years", "95%")]
    few = balanced["sex_and_age"]["too_few"]
    left = f" Cells of under 30 faces are left out: {', '.join(few)}." if few else ""
    return el(
        "div",
        el("h3", "Balanced means"),
        el(
            "p",
            f"Each cell has the same weight, whatever its number of faces.{left}",
            class_="verdict",
        ),
        el("table", el("thead", el("tr", head)), el("tbody", _rows(balanced))),
    )


def _rows(balanced: Mapping[str, Any]) -> Iterator[Markup]:
    yield _row("cells of sex and age", "cells", balanced["sex_and_age"])
    yield _row("single years", "years", balanced["years"])
    for name, text in _SHOTS.items():
        if (of := balanced[name]) and of["n"]:
            yield _row(text, "faces", {**of, "cells": of["n"]})


def _row(text: str, unit: str, of: Mapping[str, Any]) -> Markup:
    mae = "–" if of["mae"] is None else f"{of['mae']:.2f}"
    ends = "{:.2f} to {:.2f}".format(*of["interval"]) if of["interval"] else "–"
    cells = [f"{of['cells']:,} {unit}", mae, ends]
    return el(
        "tr", el("th", text, scope="row"), (el("td", cell, class_="number") for cell in cells)
    )
