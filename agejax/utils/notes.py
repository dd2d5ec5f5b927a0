"""Notes and progress bars for people: the logger "agejax", silent until somebody asks for it.

Commands print what it is given, and so do the functions of `agejax` called with `progress=True`.
Any handler of the standard `logging` does, too: `logging.getLogger("agejax")`.
"""

import contextlib
import logging
import sys
from collections.abc import Iterator
from typing import Any

LOGGER = logging.getLogger("agejax")
LOGGER.addHandler(logging.NullHandler())  # without one, Python itself would print warnings


def note(text: str, *, beside: bool = False) -> None:
    """Something to know; where notes are printed, on stdout, or `beside` it: on stderr."""
    LOGGER.info("%s", text, extra={"beside": beside})


def warn(text: str) -> None:
    """Something that may have to be mended; where notes are printed, on stderr."""
    LOGGER.warning("%s", text)


def bar(*args: Any, **kwargs: Any) -> Any:
    """A `tqdm` of these arguments, which is shown where notes are printed."""
    from tqdm.auto import tqdm

    return tqdm(*args, **kwargs if are_printed() else {**kwargs, "disable": True})


class _Printer(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        from tqdm.auto import tqdm

        aside = record.levelno >= logging.WARNING or getattr(record, "beside", False)
        stream = sys.stderr if aside else sys.stdout
        tqdm.write(record.getMessage(), file=stream)  # above the bars


_PRINTER = _Printer()


def are_printed() -> bool:
    """Whether notes are printed, and bars shown."""
    return _PRINTER in LOGGER.handlers


@contextlib.contextmanager
def printed(wanted: bool = True) -> Iterator[None]:
    """Within, if `wanted`, notes are printed and bars shown."""
    if not wanted or are_printed():
        yield
        return
    before = LOGGER.level, LOGGER.propagate
    LOGGER.addHandler(_PRINTER)
    LOGGER.setLevel(logging.INFO)
    LOGGER.propagate = False  # or a handler of the root would print them once more
    try:
        yield
    finally:
        LOGGER.removeHandler(_PRINTER)
        LOGGER.setLevel(before[0])
        LOGGER.propagate = before[1]
