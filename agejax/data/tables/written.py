"""A text file that appears only once it is complete, or stdout."""

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from agejax.utils.files import replacing
from agejax.utils.streams import check_stdout


@contextlib.contextmanager
def written(out: Path | None) -> Iterator[TextIO]:
    """A UTF-8 file that replaces `out` once it is complete; None is stdout."""
    if out is None:
        check_stdout()
        yield sys.stdout
        return
    with replacing(out) as beside, beside.open("w", encoding="utf-8", newline="") as file:
        yield file
