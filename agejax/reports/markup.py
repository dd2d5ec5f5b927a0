"""Builds HTML and SVG by function calls; whatever is not `Markup` is escaped."""

from html import escape
from typing import Any


class Markup(str):
    """Text that already is markup and is not escaped."""

    __slots__ = ()


def el(name: str, /, *children: Any, **attributes: Any) -> Markup:
    """An HTML or SVG element.

    Args:
      name: the tag.
      *children: markup, which is used unchanged; text and numbers, which are escaped; or iterables
        of these. None is omitted.
      **attributes: None and False are omitted, True is written without a value; `class_` becomes
        class, and `stroke_width` stroke-width.
    """
    attrs = "".join(_attribute(key, value) for key, value in attributes.items())
    inside = join(*children)
    if not inside and name in _VOID:
        return Markup(f"<{name}{attrs}>")
    return Markup(f"<{name}{attrs}>{inside}</{name}>")


def join(*children: Any) -> Markup:
    """Concatenates children, as `el` takes them."""
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
