"""What other libraries say beside their errors, unsaid for the time of a call.

What Python holds once for all threads, such as the filters of warnings, is changed by the first
call that needs it and put back by the last, whichever way these end.
"""

import contextlib
import logging
import re
import sys
import threading
import warnings
from collections.abc import Callable, Iterator

Undo = Callable[[], None]


class Shared:
    """A context for several threads at once: the first makes a change, the last undoes it."""

    def __init__(self, change: Callable[[], Undo]):
        """`change` makes the change, and returns what undoes it."""
        self._change, self._lock, self._inside = change, threading.Lock(), 0
        self._undo: Undo | None = None

    @contextlib.contextmanager
    def __call__(self) -> Iterator[None]:
        """Within, it is changed."""
        with self._lock:
            self._undo = self._undo or self._change()
            self._inside += 1
        try:
            yield
        finally:
            with self._lock:
                self._inside -= 1
                if not self._inside and self._undo is not None:
                    undo, self._undo = self._undo, None
                    undo()


def no_warnings(message: str = "", category: type[Warning] = Warning, module: str = "") -> Shared:
    """Ignores warnings; the arguments are those of `warnings.filterwarnings`."""

    def change() -> Undo:
        entry = (
            "ignore",
            re.compile(message, re.IGNORECASE) if message else None,
            category,
            re.compile(module) if module else None,
            0,
        )
        warnings.filters.insert(0, entry)  # type: ignore[attr-defined]

        def undo() -> None:
            # Of the list of now: `warnings.catch_warnings` may have put another in its place.
            with contextlib.suppress(ValueError):
                warnings.filters.remove(entry)  # type: ignore[attr-defined]

        return undo

    return Shared(change)


def no_records(logger: str, package: str = "") -> Shared:
    """Drops what is logged by a logger, or what a package's files log by it; no level changes."""
    inside = f"/{package}/"

    def drops(record: logging.LogRecord) -> bool:
        return bool(package) and inside not in record.pathname.replace("\\", "/")

    def change() -> Undo:
        logging.getLogger(logger).addFilter(drops)
        return lambda: logging.getLogger(logger).removeFilter(drops)

    return Shared(change)


def no_unraisable(exc_type: type[BaseException], message: str) -> Shared:
    """Keeps one kind of error from `sys.unraisablehook`, called where none can be raised."""

    def change() -> Undo:
        hook = sys.unraisablehook

        def quiet(told: "sys.UnraisableHookArgs") -> None:
            if not (told.exc_type is exc_type and str(told.exc_value) == message):
                hook(told)

        def undo() -> None:
            if sys.unraisablehook is quiet:
                sys.unraisablehook = hook

        sys.unraisablehook = quiet
        return undo

    return Shared(change)
