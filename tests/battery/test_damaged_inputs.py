"""Thousands of damaged inputs of every kind: each is read, or told in a line; nothing else happens.

tests/inference/test_fuzz.py has those of prediction and of the service.
"""

import collections
import math

import pytest

from tests.battery.counts import counts, tell

KINDS = {
    "mat": ("mutated .mat", ()),
    "jpeg": ("mutated JPEG, built and decoded", ()),
    "records": ("mutated array_record, columns and descriptions of a built data set", ("built",)),
    "config": ("mutated config of a run", ()),
    "weights": ("mutated torch, safetensors, .npz and dlib weights, time and memory bounded", ()),
    "tables": ("mutated CSV, TSV and JSON lines", ()),
    "commands": ("command lines of agejax and launch.py", ("run", "archives", "built")),
}
# What may come of it; "contained": a reader died in its child process, which is told in a line.
GOOD = {"read", "done", "refused", "quarantined", "contained"}


@pytest.mark.parametrize("n", counts(5000, smoke=4))
@pytest.mark.parametrize("kind", KINDS)
def test_each_is_read_or_told_in_a_line(launcher, tmp_path, request, kind, n):
    name, needs = KINDS[kind]
    args = [str(request.getfixturevalue(fixture)) for fixture in needs]
    survive(launcher, kind, name, n, [str(tmp_path), *args])


def survive(launcher, kind, name, n, args):
    """Has a process read `n` inputs of a kind, and tells what came of them."""
    process = launcher.start(kind, str(n), *args, module="tests.battery.fuzz")
    out, err = process.communicate(timeout=math.inf)  # it ends itself where a case hangs
    *lines, last = out.splitlines() or [""]
    assert process.returncode == 0, f"at case {last}: {process.returncode}; {err[-4000:]}"
    outcomes = collections.Counter(line.partition(" ")[2] for line in lines)
    assert set(outcomes) <= GOOD, f"{outcomes}; {err[-6000:]}"
    assert outcomes.total() == n
    told = ", ".join(f"{count:,} {outcome}" for outcome, count in outcomes.most_common())
    peak = last.removeprefix("peak ")
    tell(name, f"{n:,} cases ({told}); 0 signals, 0 tracebacks, 0 hangs; at most {peak} MiB")
