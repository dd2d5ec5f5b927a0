"""Thousands of damaged inputs of one kind, in one process that must survive them all.

    python -m tests.battery.fuzz KIND N FOLDER [what KIND needs ...]

KIND is a module beside this one, whose `prepare(folder, ...)` gives `case(rng)`, which reads one
damaged input and says what came of it; a `UserError` of one line is "refused". Prints, a line each,
the number of a case and what came of it, and at the end the peak of memory in MiB. A case that
hangs ends this process by a signal, after saying where it was.
"""

import faulthandler
import importlib
import os
import resource
import sys
import traceback
import warnings
from pathlib import Path

import numpy as np

from agejax.errors import UserError
from tests.battery.fuzz.forked import HANGS, end_if_it_hangs

MEMORY = 8 << 30  # bytes of address space


def main() -> None:
    kind, n, *args = sys.argv[1:]
    warnings.simplefilter("ignore")
    out = os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what is read may print
    case = importlib.import_module(f"tests.battery.fuzz.{kind}").prepare(*map(Path, args))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, resource.RLIM_INFINITY))
    for number in HANGS:
        faulthandler.register(number, chain=True)
    for i in range(int(n)):
        print(i, end=" ", file=out, flush=True)
        end_if_it_hangs()
        print(outcome(case, i), file=out, flush=True)
    of = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    print("peak", max(resource.getrusage(who).ru_maxrss for who in of) // 1024, file=out)


def outcome(case, i: int) -> str:
    """What comes of a case, in words."""
    try:
        return case(np.random.default_rng(i))
    except UserError as error:
        if "\n" in str(error) or not str(error):
            print(f"case {i}: not one line: {error}", file=sys.stderr)
            return "lines"
        return "refused"
    except Exception:
        print(f"case {i}", traceback.format_exc(), file=sys.stderr)
        return "traceback"


if __name__ == "__main__":
    main()
