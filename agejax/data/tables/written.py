"""A text file that is written whole or not at all, or stdout."""

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from agejax.streams import check_stdout


@contextlib.contextmanager
def written(out: Path | None) -> Iterator[TextIO]:
    """A UTF-8 file that takes the place of `out` once it is complete; None is stdout."""
    if out is None:
        check_stdout()
        yield sys.stdout
        return
    out.parent.mkdir(parents=True, exist_ok=True)
    beside = out.with_name(f".{out.name}.{os.getpid()}")
    try:
        with beside.open("w", encoding="utf-8", newline="") as file:
            yield file
        beside.replace(out)
    finally:
        beside.unlink(missing_ok=True)
