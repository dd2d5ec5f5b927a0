"""Tables of the groups of faces; each row shows a plot of its interval."""

from collections.abc import Mapping
from typing import Any

from agejax.reports.markup import Markup, el
from agejax.reports.plots import axis_around
from agejax.reports.strip import strip

_COLUMNS = {
    "bias": ("bias, years", "{:+.2f}"),
    "cs5": ("CS@5", "{:.1%}"),
    "coverage": ("inside 90%", "{:.1%}"),
}


def group_table(
    kind: str,
    groups: Mapping[str, Mapping[str, Any]],
    ratio: float | None,
    top: float,
    mae: float,
    equal: Mapping[str, Any] | None = None,
) -> Markup:
    """A table of the groups of one kind.

    Args:
      kind: "decade", "gender" or a column's name.
      groups: {group: figures}, as in an evaluation.
      ratio: the worst group's MAE over the overall MAE; None if no group is large enough.
      top: the MAE at the end of the scale, years.
      mae: the overall MAE, years.
      equal: the test of equality, as `agejax.metrics.equality.equality` gives it.
    """
    names = _COLUMNS | {
        key: (key.replace("_accuracy", " acc."), "{:.1%}")
        for key in next(iter(groups.values()), {})
        if key.endswith("_accuracy")
    }
    scale = [el("span", f"{value:g}") for value in (0, top / 2, top)]
    head = [
        el("th", kind, scope="col"),
        el("th", "faces", scope="col", class_="number"),
        el("th", "MAE, years", scope="col", class_="number"),
        el("th", "95% interval", scope="col", class_="number"),
        el("th", scale, class_="scale", aria_hidden="true"),
        *(el("th", label, scope="col", class_="number") for label, _ in names.values()),
    ]
    worst = (
        f"Among groups of 30 faces or more, the worst has {ratio:.2f} times the overall MAE."
        if ratio
        else "No group has the 30 faces needed for a comparison."
    )
    return el(
        "div",
        el("h3", f"By {kind}"),
        el("p", worst + _equality(equal), class_="verdict"),
        el(
            "table",
            el("thead", el("tr", head)),
            el("tbody", (_row(name, of, names, top, mae) for name, of in groups.items())),
            class_="groups",
        ),
    )


def _equality(of: Mapping[str, Any] | None) -> str:
    if not of or of["cells"] < 2 or of["p"] is None:
        return ""
    worst, p = of["worst"], of["p"]
    said = f" That the MAE is equal in the {of['cells']} groups has a p value of "
    said += "below 0.001" if p < 0.001 else f"{p:.3f}"
    said += ", corrected for their number."
    if ends := worst["simultaneous"]:
        said += f" The worst is {worst['group']}, {worst['mae']:.2f} years; "
        said += "{:.2f} to {:.2f} with 95% confidence for all groups together.".format(*ends)
    return said


def scale_of(kinds: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> float:
    """The MAE, years, at the end of a scale that covers all groups' intervals."""
    ends = [
        (of["mae_interval"] or [0, of["mae"]])[1]
        for groups in kinds.values()
        for of in groups.values()
        if of["mae"] is not None
    ]
    return axis_around("", ends, zero=True).high


def _row(
    name: str,
    of: Mapping[str, Any],
    names: Mapping[str, tuple[str, str]],
    top: float,
    mae: float,
) -> Markup:
    interval = of["mae_interval"]
    ends = "{:.2f} to {:.2f}".format(*interval) if interval else "–"
    drawn = strip(top, of["mae"], interval, reference=mae) if of["mae"] is not None else None
    return el(
        "tr",
        el("th", name, scope="row"),
        _cell("faces", f"{of['n']:,}"),
        _cell("MAE, years", _said(of["mae"], "{:.2f}")),
        _cell("95% interval", ends),
        el("td", drawn, class_="strip-cell"),
        *(_cell(label, _said(of.get(key), form)) for key, (label, form) in names.items()),
    )


def _cell(label: str, text: str) -> Markup:
    return el("td", text, class_="number", data_label=label)


def _said(value: float | None, form: str) -> str:
    return "–" if value is None else form.format(value)


def table_of(curve: Mapping[str, Any], columns: Mapping[str, tuple[str, str]]) -> Markup:
    """The numbers of a chart in a collapsed table; `columns` is {key: (label, format)}."""
    rows = zip(*(curve[key] for key in columns), strict=True)
    forms = [form for _, form in columns.values()]
    return el(
        "details",
        el("summary", "numbers"),
        el(
            "table",
            el("thead", el("tr", (el("th", label, scope="col") for label, _ in columns.values()))),
            el("tbody", (el("tr", map(_number, row, forms)) for row in rows)),
            class_="numbers",
        ),
    )


def _number(value: Any, form: str) -> Markup:
    if isinstance(value, list):
        return el("td", f"{form.format(value[0])} to {form.format(value[1])}")
    return el("td", _said(value, form))
