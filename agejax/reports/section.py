"""What a page is made of."""

from typing import Any, NamedTuple

from agejax.reports.markup import Markup, el


class Section(NamedTuple):
    """A part of the page that its navigation names."""

    title: str
    body: Markup


def figure(drawn: Markup, caption: str, *more: Any) -> Markup:
    """A numbered figure."""
    return el("figure", drawn, el("figcaption", caption), more)
