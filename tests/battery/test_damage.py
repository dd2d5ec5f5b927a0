"""Checkpoints that are damaged in every way, read by agejax and by bare Orbax."""

import collections
import gc
import warnings

import jax
import numpy as np
import pytest

from agejax.errors import UserError
from agejax.runtime.checkpoint import Checkpoints, _training
from agejax.types import weights_of
from tests.battery.counts import counts, tell
from tests.saved import damaged, same, save, state


def orbax_reads(folder, handler, like):
    """What bare Orbax restores, or None where it notices."""
    try:
        return {
            "weights": handler.restore(folder / "weights", item=like["weights"]),
            "training": handler.restore(folder / "training", item=like["training"]),
        }
    except Exception:
        return None


def agejax_reads(run, like):
    """All that agejax reads of step 2, as a resumed run and a prediction do.

    Raises:
      UserError: it notices.
    """
    checkpoints = Checkpoints(run, read_only=True)
    step = checkpoints.find("2")
    checkpoints.config(step), checkpoints.calibration(step)
    return checkpoints.state(step, like=like)


# What Orbax leaves behind where it fails
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("n", counts(2000))
def test_no_damage_is_silent(tmp_path, n):
    import orbax.checkpoint as ocp

    save(tmp_path / "good", 1, 2, mae=lambda step: step)
    good = tmp_path / "good" / "checkpoints"
    run, wanted = tmp_path / "run", state(2)
    parts = {"weights": dict(weights_of(wanted)), "training": _training(wanted)}
    like = jax.tree.map(lambda x: np.zeros(x.shape, x.dtype), parts)
    handler = ocp.PyTreeCheckpointer()
    silent = collections.Counter()
    cases = collections.Counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Orbax: restored without shardings
        assert same(orbax_reads(good / "2", handler, like), parts)
        for kind, file, copy in damaged(good / "2", good / "1", n, 0, run / "checkpoints" / "2"):
            cases[kind] += 1
            try:
                read = agejax_reads(run, wanted)
            except UserError as error:
                assert "\n" not in str(error)
            else:
                pytest.fail(f"{kind} of {file}: {'harmless' if same(read, wanted) else 'wrong'}")
            theirs = orbax_reads(copy, handler, like)
            if theirs is None:
                silent[kind, "noticed"] += 1
            else:
                silent[kind, "as it was" if same(theirs, parts) else "wrong"] += 1
    gc.collect()
    of = lambda what: sum(count for (_, found), count in silent.items() if found == what)
    tell(
        "bit flip, truncation, deletion, swap and more in a checkpoint",
        f"{n} cases, 0 silent; bare Orbax on the same: {of('wrong')} restored without a word into "
        f"wrong arrays, {of('as it was')} into the right ones, {of('noticed')} noticed",
    )
    for kind in cases:
        print(f"{kind}: {cases[kind]}; bare Orbax silently wrong: {silent[kind, 'wrong']}")


@pytest.mark.parametrize("n", counts(200, smoke=4))
def test_a_damaged_latest_gives_way_to_the_one_before_it(tmp_path, n):
    """As a run that is started again has it."""
    import shutil

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
