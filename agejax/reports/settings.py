"""Tables of a run's config: settings that differ from the defaults first, then all."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from agejax.config import default, to_json
from agejax.reports.markup import Markup, el, join


def changed(config: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """{key: (value, default)} of settings that differ; the default is None if there is none."""
    theirs = dict(flat(json.loads(to_json(default()))))
    ours = dict(flat(config))
    return {key: (v, theirs.get(key)) for key, v in ours.items() if v != theirs.get(key)}


def flat(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """(section.key, value) of nested mappings."""
    for key, value in tree.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value


def config_tables(config: Mapping[str, Any]) -> Markup:
    """A table of the settings that differ from the defaults, and a collapsed one of all."""
    rows = [
        el("tr", el("th", key, scope="row"), el("td", _text(value)), el("td", _text(usual)))
        for key, (value, usual) in changed(config).items()
    ]
    every = [
        el("tr", el("th", key, scope="row"), el("td", _text(value))) for key, value in flat(config)
    ]
    head = el("tr", (el("th", name, scope="col") for name in ("setting", "here", "default")))
    return join(
        el("table", el("thead", head), el("tbody", rows), class_="settings"),
        el(
            "details",
            el("summary", f"all {len(every)} settings"),
            el("table", el("tbody", every), class_="settings"),
        ),
    )


def _text(value: Any) -> Markup:
    return el("code", value if isinstance(value, str) else json.dumps(value))
