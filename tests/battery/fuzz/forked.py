"""Calls in a fork, for programs whose start-up takes longer than a case."""

import io
import os
import signal
import sys
import traceback
from collections.abc import Callable

HANGS = (signal.SIGALRM, signal.SIGPROF)  # which end what hangs


def end_if_it_hangs() -> None:
    """Has a signal end this process, unless it calls this again in time."""
    signal.setitimer(signal.ITIMER_PROF, 40)  # of the processor's; the machine may be busy
    signal.setitimer(signal.ITIMER_REAL, 900)


def forked(
    call: Callable[[], None], argv: list[str], stdin: bytes = b""
) -> tuple[int, bytes, bytes]:
    """What `call()` does as a program with these arguments: exit code, stdout and stderr.

    The code is below 0 where a signal ended it, as in `subprocess`.

    Raises:
      TimeoutError: it hangs.
    """
    ends = [os.memfd_create(name) for name in ("stdin", "stdout", "stderr")]
    with open(ends[0], "wb", closefd=False) as opened:
        opened.write(stdin)
    os.lseek(ends[0], 0, os.SEEK_SET)
    if (pid := os.fork()) == 0:
        os._exit(_child(call, argv, ends))
    _, status = os.waitpid(pid, 0)
    code = os.waitstatus_to_exitcode(status)
    _, out, err = (os.pread(end, os.fstat(end).st_size, 0) for end in ends)
    for end in ends:
        os.close(end)
    if -code in HANGS:
        raise TimeoutError(f"{argv} hangs; it said {out!r}, {err!r}")
    return code, out, err


def _child(call: Callable[[], None], argv: list[str], ends: list[int]) -> int:
    end_if_it_hangs()
    for number, end in enumerate(ends):
        os.dup2(end, number)
    sys.stdin = io.TextIOWrapper(open(0, "rb", closefd=False))  # noqa: SIM115
    sys.stdout, sys.stderr = (
        io.TextIOWrapper(open(number, "wb", closefd=False), errors=errors, write_through=True)  # noqa: SIM115
        for number, errors in ((1, "surrogateescape"), (2, "backslashreplace"))
    )
    sys.argv = argv
    code: object = 0
    try:
        call()
    except SystemExit as left:
        code = left.code
    except BaseException:
        traceback.print_exc()
        code = 1
    if isinstance(code, str):
        print(code, file=sys.stderr)
    sys.stdout.flush(), sys.stderr.flush()
    return code if isinstance(code, int) else int(code is not None)
