"""How a process that a test has forked ends."""

import sys
import traceback
from collections.abc import Callable

from agejax.errors import one_line


def exit_code(work: Callable[[], None]) -> int:
    """Does the work as a command of agejax's, and tells with what exit code that would end."""
    code = 1
    try:
        with one_line():
            work()
        code = 0
    except SystemExit as left:
        code = left.code if isinstance(left.code, int) else int(left.code is not None)
        if isinstance(left.code, str):
            print(left.code, file=sys.stderr)
    except BaseException:
        traceback.print_exc()
    sys.stdout.flush(), sys.stderr.flush()
    return code
