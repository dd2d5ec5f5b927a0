"""Checkpoints that are damaged in every way, read by agejax and by bare Orbax."""

import collections
import shutil
import subprocess
import sys

import pytest

from agejax.checkpoints.checkpoint import Checkpoints
from agejax.errors import UserError
from tests.battery.counts import counts, tell
from tests.conftest import ROOT
from tests.saved import KINDS, damaged, same, save, state


@pytest.fixture
def bare_orbax():
    """Checkpoint folder -> "noticed", "right" or "wrong"."""
    pipe = subprocess.PIPE
    command = [sys.executable, "-m", "tests.battery.bare_orbax"]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True
    ) as peer:

        def reads(folder):
            print(folder, file=peer.stdin, flush=True)
            return peer.stdout.readline().rstrip("\n")

        yield reads
        peer.stdin.close()


def agejax_reads(run, like):
    """All that agejax reads of step 2, as a resumed run and a prediction do.

    Raises:
      UserError: it notices.
    """
    checkpoints = Checkpoints(run, read_only=True)
    step = checkpoints.find("2")
    checkpoints.config(step), checkpoints.calibration(step)
    return checkpoints.state(step, like=like)


@pytest.mark.parametrize("n", counts(2000, smoke=8))
def test_no_damage_is_silent(tmp_path, bare_orbax, n):
    save(tmp_path / "good", 1, 2, mae=lambda step: step)
    good = tmp_path / "good" / "checkpoints"
    run, wanted = tmp_path / "run", state(2)
    cases, theirs = collections.Counter(), collections.Counter()
    assert bare_orbax(good / "2") == "right"
    for kind, _, copy in damaged(good / "2", good / "1", n, 0, run / "checkpoints" / "2"):
        with pytest.raises(UserError) as noticed:
            agejax_reads(run, wanted)
        assert "\n" not in str(noticed.value)
        cases[kind] += 1
        theirs[kind, bare_orbax(copy)] += 1
    of = lambda what: sum(theirs[kind, what] for kind in KINDS)
    tell(
        "bit flip, truncation, deletion, swap and more in a checkpoint",
        f"{n:,} cases, 0 silent; bare Orbax on the same: {of('wrong')} restored into wrong arrays "
        f"without a word, {of('right')} into the right ones, {of('noticed')} noticed",
    )
    for kind in KINDS:
        told = ", ".join(f"{theirs[kind, what]} {what}" for what in ("wrong", "right", "noticed"))
        tell(f"of these, {kind}", f"{cases[kind]} cases, 0 silent; bare Orbax: {told}")


@pytest.mark.parametrize("n", counts(200, smoke=1))
def test_a_damaged_latest_gives_way_to_the_one_before_it(tmp_path, n):
    """As a run that is started again has it."""
    save(tmp_path / "good", 1, 2, mae=lambda step: step)
    good = tmp_path / "good" / "checkpoints"
    run = tmp_path / "run"
    for kind, file, _ in damaged(good / "2", good / "1", n, 1, run / "checkpoints" / "2"):
        shutil.copytree(good / "1", run / "checkpoints" / "1", dirs_exist_ok=True)
        checkpoints = Checkpoints(run)
        assert checkpoints.latest() == 1, (kind, file)
        assert same(checkpoints.state(1, like=state(9)), state(1))
        assert [p.name for p in (run / "checkpoints").glob("damaged-2*")] == ["damaged-2"]
        shutil.rmtree(run / "checkpoints" / "damaged-2")
    tell("damaged latest checkpoint", f"{n} of {n} set aside, the one before it restored")
