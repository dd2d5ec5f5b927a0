"""Sections and figures of the page."""

from typing import Any, NamedTuple

from agejax.reports.markup import Markup, el


class Section(NamedTuple):
    """A section of the page, listed in its navigation."""

    title: str
    body: Markup


def figure(drawn: Markup, caption: str, *more: Any) -> Markup:
    """A numbered figure."""
    return el("figure", drawn, el("figcaption", caption), more)
