"""The HTML document of a page: a single file without scripts and without network requests."""

from importlib.resources import files

from agejax.reports.markup import Markup, el
from agejax.reports.plots import STYLE
from agejax.reports.section import Section

# A browser fetches and runs nothing, even if a file name on the page contains markup.
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def document(title: str, content: Markup) -> str:
    """The text of an HTML file."""
    style = files("agejax.reports").joinpath("style.css").read_text(encoding="utf-8")
    head = el(
        "head",
        el("meta", charset="utf-8"),
        el("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        el("meta", name="viewport", content="width=device-width, initial-scale=1"),
        el("title", title),
        el("link", rel="icon", href="data:,"),
        el("style", Markup(STYLE + style)),
    )
    return f"<!doctype html>\n{el('html', head, el('body', content), lang='en')}\n"


def section(part: Section) -> Markup:
    """A section with its heading, which the navigation links to."""
    return el("section", el("h2", part.title), part.body, id=anchor(part.title))


def anchor(title: str) -> str:
    """The id of a section."""
    return title.lower().replace(" ", "-")
