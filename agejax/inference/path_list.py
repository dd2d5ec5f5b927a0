r"""Reads a list of paths from standard input: lines of text, also UTF-16, or `find -print0`."""

import codecs
import re
import sys
from collections.abc import Iterator
from typing import Any

from agejax.errors import UserError

_LONGEST = 2**16  # characters of a path: sixteen times Linux's limit
_CHUNK = 2**16  # bytes
_ENDS = re.compile("[\n\0]")


def paths_in(head: bytes, rest: Any) -> Iterator[str | UserError]:
    r"""Yields the paths of a list as they arrive; a `UserError` for each that is too long.

    Paths end at "\n" or "\r\n". If a "\0" occurs near the start, they end at "\0" and may contain
    newlines.

    Args:
      head: the first bytes, at least 16 if the list has that many.
      rest: a binary file with `read1` for the remaining bytes.
    """
    encoding, errors, head = _encoding_of(head)
    decoder = codecs.getincrementaldecoder(encoding)(errors)
    text = new = decoder.decode(head)
    more = True
    while more and not _ENDS.search(new) and len(text) <= _LONGEST:
        chunk = rest.read1(_CHUNK)
        new, more = decoder.decode(chunk, final=not chunk), bool(chunk)
        text += new
    end = "\0" if "\0" in text else "\n"
    begun = ""  # the start of an incomplete path
    while True:
        if end in text:
            *paths, begun = (begun + text).split(end)
            for path in paths:
                yield from _path(path, end)
        elif len(begun) <= _LONGEST:  # a path that is already too long is not stored further
            begun += text
        if not more:
            yield from _path(begun, end)
            return
        chunk = rest.read1(_CHUNK)
        text, more = decoder.decode(chunk, final=not chunk), bool(chunk)


def _path(text: str, end: str) -> Iterator[str | UserError]:
    text = text if end == "\0" else text.removesuffix("\r")
    if len(text) > _LONGEST:
        yield UserError(f"standard input: a path of over {_LONGEST:,} characters: {text[:40]}...")
    elif text:
        yield text


def _encoding_of(head: bytes) -> tuple[str, str, bytes]:
    """The encoding, its error handler, and the head without the byte order mark."""
    for mark, encoding in ((codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be")):
        if head.startswith(mark):
            return encoding, "replace", head.removeprefix(mark)
    even, odd = head[:16:2], head[1:16:2]  # one of the two is zero in UTF-16 text of Latin script
    if len(head) >= 8 and any(even) != any(odd) and 0 not in (even if any(even) else odd):
        return "utf-16-le" if any(even) else "utf-16-be", "replace", head
    head = head.removeprefix(codecs.BOM_UTF8)
    return sys.getfilesystemencoding(), sys.getfilesystemencodeerrors(), head
