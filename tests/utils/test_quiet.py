"""What others say is unsaid for the time of a call, and what is global is put back after it."""

import logging
import sys
import threading
import warnings

import pytest

from agejax.utils.quiet import Shared, no_records, no_unraisable, no_warnings


def test_of_threads_that_overlap_the_first_changes_and_the_last_undoes():
    done = []

    def change():
        done.append("change")
        return lambda: done.append("undo")

    shared, inside, leave = Shared(change), threading.Event(), threading.Event()

    def work():
        with shared():
            inside.set()
            leave.wait(10)

    thread = threading.Thread(target=work)

    def fail():
        with shared():
            thread.start()
            inside.wait(10)
            raise ValueError("it fails")

    with pytest.raises(ValueError, match="it fails"):
        fail()
    assert done == ["change"]
    leave.set()
    thread.join()
    assert done == ["change", "undo"]


def test_warnings_are_ignored_within_alone():
    before = list(warnings.filters)
    with no_warnings("odd .*", RuntimeWarning)():
        warnings.warn("odd metadata", RuntimeWarning, stacklevel=1)
        with pytest.warns(UserWarning, match="odd"):
            warnings.warn("odd metadata", UserWarning, stacklevel=1)
    assert warnings.filters == before


def test_records_of_a_package_are_dropped_and_others_pass(caplog):
    logger = logging.getLogger("agejax-test")
    record = lambda path: logger.handle(
        logger.makeRecord("agejax-test", logging.ERROR, path, 1, path, (), None)
    )
    with no_records("agejax-test", "orbax")():
        record("/site-packages/orbax/save.py"), record("/mine/save.py")
    record("/site-packages/orbax/late.py")
    assert caplog.messages == ["/mine/save.py", "/site-packages/orbax/late.py"]
    assert not logger.filters
    assert logger.level == logging.NOTSET


def test_one_kind_of_error_is_kept_from_the_hook(monkeypatch):
    seen = []
    hook = lambda told: seen.append(str(told.exc_value))
    monkeypatch.setattr(sys, "unraisablehook", hook)

    class Fails:
        def __init__(self, what):
            self.what = what

        def __del__(self):
            raise RuntimeError(self.what)

    with no_unraisable(RuntimeError, "Event loop is closed")():
        Fails("Event loop is closed")
        Fails("something else")
    assert seen == ["something else"]
    assert sys.unraisablehook is hook
