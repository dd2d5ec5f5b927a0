"""Where one process of a run is lost, the others end soon, say so, and all go on later."""

import random
import signal
import time

import pytest

from agejax.checkpoints.checkpoint import Checkpoints
from agejax.distributed.watchdog import LOST
from tests.battery.counts import tell

# (processes, which is lost, how often); the default run has shorter silences.
CASES = [(2, 0, 1, 8)]
BATTERY = [(2, 0, 5, LOST), (2, 1, 5, LOST), (4, 0, 5, LOST), (4, 3, 5, LOST)]


@pytest.mark.parametrize(
    ("n", "lost", "times", "silence"),
    [*CASES, *(pytest.param(*case, marks=pytest.mark.battery) for case in BATTERY)],
)
def test_the_others_end_and_all_go_on_from_the_last_checkpoint(
    ranks, small, tmp_path, n, lost, times, silence
):
    rng, longest, unsaved = random.Random(f"{n} {lost}"), 0.0, 0
    for i in range(times):
        workdir, at = tmp_path / f"{i}", rng.randint(small.train.eval_every + 1, small.train.steps)
        hit = lost, at, signal.SIGKILL, rng.uniform(0, 2)  # the save may be on its way, or over
        started = ranks.start(workdir, config=small, n=n, hit=hit, lost=silence)
        assert started[lost].end() == -signal.SIGKILL, started[lost].said()
        since = time.monotonic()
        for rank in (rank for i, rank in enumerate(started) if i != lost):
            assert rank.end() == 75, rank.said()
            (line,) = rank.errors()
            assert f"process {lost} " in line
            assert "start all of them again to resume from the last checkpoint" in line
            assert "Traceback" not in rank.said()
        longest = max(longest, time.monotonic() - since)
        assert longest < 30
        saved = Checkpoints(workdir, read_only=True).latest() or 0
        assert saved in (0, small.train.eval_every)
        assert saved or not started[0].count("saved")
        unsaved += not saved
        for rank in ranks.run(workdir, config=small, n=n):
            assert rank.count("step") == small.train.steps - saved
    tell(
        f"process {lost} of {n} killed",
        f"{times} of {times}, {unsaved} of them before the first save was on the disk: the others "
        f"ended in {longest:.0f} s at most, a line each, and the next start went on",
    )


def test_an_error_of_one_ends_the_others(ranks, small, tmp_path):
    started = ranks.start(
        tmp_path / "run", config=small, n=2, of_one=(1, "--config.train.log_every=0")
    )
    assert [rank.end() for rank in started] == [75, 2], [rank.said() for rank in started]
    (line,) = started[0].errors()
    assert "process 1 on" in line
    assert "ended early with exit code 2" in line
    assert started[1].errors() == ["error: config.train.log_every is 0; it must be at least 1"]
