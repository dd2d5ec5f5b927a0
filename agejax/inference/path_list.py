r"""A list of paths, as standard input brings it: lines of text, UTF-16 too, or `find -print0`."""

import codecs
import re
import sys
from collections.abc import Iterator
from typing import Any

from agejax.errors import UserError

_LONGEST = 2**16  # characters of a path: sixteen times what Linux takes
_CHUNK = 2**16  # bytes


def paths_in(head: bytes, rest: Any) -> Iterator[str | UserError]:
    r"""The paths of a list, as they come in; a `UserError` for what is too long to be one.

    Paths end at "\n" or "\r\n", or at "\0" where the list has one near its start; then they may
    have newlines in them.

    Args:
      head: the first bytes, at least 16 where there are as many.
      rest: those that follow, a binary file with `read1`.
    """
    encoding, errors, head = _encoding_of(head)
    decoder = codecs.getincrementaldecoder(encoding)(errors)
    text, more = decoder.decode(head), True
    while more and "\n" not in text and "\0" not in text and len(text) < _LONGEST:
        text, more = _longer(text, decoder, rest)
    ends = re.compile("\0" if "\0" in text else "\r?[\n\0]")
    while True:
        *paths, text = ends.split(text)
        for path in paths:
            yield from _path(path)
        if not more:
            yield from _path(text.removesuffix("\r") if ends.pattern != "\0" else text)
            return
        text = text[: _LONGEST + 1]  # of what is too long already, no more is kept
        text, more = _longer(text, decoder, rest)


def _longer(text: str, decoder: Any, rest: Any) -> tuple[str, bool]:
    """The text with what comes next, and whether there was any more."""
    chunk = rest.read1(_CHUNK)
    return text + decoder.decode(chunk, final=not chunk), bool(chunk)


def _path(text: str) -> Iterator[str | UserError]:
    if len(text) > _LONGEST:
        yield UserError(f"standard input: a path of over {_LONGEST:,} characters: {text[:40]}...")
    elif text:
        yield text


def _encoding_of(head: bytes) -> tuple[str, str, bytes]:
    """The encoding, what to do with bytes that are not of it, and the head without its mark."""
    for mark, encoding in ((codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be")):
        if head.startswith(mark):
            return encoding, "replace", head.removeprefix(mark)
    even, odd = head[:16:2], head[1:16:2]  # of which UTF-16 leaves one empty in most languages
    if len(head) >= 8 and any(even) != any(odd) and 0 not in (even if any(even) else odd):
        return "utf-16-le" if any(even) else "utf-16-be", "replace", head
    head = head.removeprefix(codecs.BOM_UTF8)
    return sys.getfilesystemencoding(), sys.getfilesystemencodeerrors(), head
