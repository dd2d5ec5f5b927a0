"""Markup from plain calls, for pages and plots alike: whatever is not markup already is escaped."""

from html import escape
from typing import Any


class Markup(str):
    """Text that is markup already, and is not escaped again."""

    __slots__ = ()


def el(name: str, /, *children: Any, **attributes: Any) -> Markup:
    """An element of HTML or SVG.

    Args:
      name: of the element.
      *children: markup, which stays as it is, text and numbers, which are escaped, and iterables of
        these; None is left out.
      **attributes: None and False are left out, and True stands without a value; `class_` gives
        class, and `stroke_width` stroke-width.
    """
    said = "".join(_attribute(key, value) for key, value in attributes.items())
    inside = join(*children)
    if not inside and name in _VOID:
        return Markup(f"<{name}{said}>")
    return Markup(f"<{name}{said}>{inside}</{name}>")


def join(*children: Any) -> Markup:
    """Children of an element, one after another, as `el` takes them."""
    return Markup("".join(map(_text, children)))


_VOID = {"br", "col", "hr", "img", "meta", "link"}


def _text(child: Any) -> str:
    if child is None:
        return ""
    if isinstance(child, Markup):
        return child
    if isinstance(child, str | int | float):
        return escape(str(child), quote=False)
    return "".join(map(_text, child))


def _attribute(key: str, value: Any) -> str:
    if value is None or value is False:
        return ""
    key = key.rstrip("_").replace("_", "-")
    return f" {key}" if value is True else f' {key}="{escape(str(value))}"'
