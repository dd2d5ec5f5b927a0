"""Any number of processes trains as one does: the same order, gradients, curves and figures.

The default run has two processes that save, one that goes on, and two that evaluate; the battery 1,
2, 4 and 8, and all pairs.
"""

import hashlib
import json
import signal

import jax
import numpy as np
import pytest

from agejax.checkpoints.checkpoint import Checkpoints
from agejax.optim import constant
from agejax.steps.model_factory import abstract_model
from agejax.steps.step import init_state
from agejax.steps.step_factory import train_step_of
from tests.battery.counts import tell
from tests.distributed.conftest import metrics
from tests.saved import same

STEPS, EARLY = 12, 3


@pytest.fixture(scope="session")
def alone(archives, built, ranks, tmp_path_factory):
    """A run of one process: its folder, config, the order of its faces, and its state at EARLY."""
    from tests.tiny import get_config

    config = get_config()
    config.data.update(manual_dir=str(archives), data_dir=str(built), size=8)
    with config.unlocked():
        config.model.args = {"widths": (8,), "depths": (1,), "dropout": 0.2}
    config.optim.schedule = constant
    config.train.update(steps=STEPS, eval_every=6, log_every=1)
    workdir = tmp_path_factory.mktemp("alone") / "run"
    first = stopped(ranks, workdir, config, n=1)
    early = state_of(config, workdir, EARLY)
    return workdir, config, order(first, ranks.run(workdir, config=config, n=1)), early


def stopped(ranks, workdir, config, n, *changes):
    """A run that SIGTERM to its last process stops: all are to save step EARLY."""
    # What several processes agree on counts two steps later.
    hit = n - 1, EARLY - 2 * (n > 1), signal.SIGTERM, 0
    started = ranks.start(workdir, *changes, config=config, n=n, hit=hit)
    assert [rank.end() for rank in started] == [143] * n, [rank.said() for rank in started]
    assert [rank.count("step") for rank in started] == [EARLY] * n
    assert Checkpoints(workdir, read_only=True).latest() == EARLY
    for rank in started:
        told = f"SIGTERM: {workdir} is saved at step {EARLY}; run the same command again to go on"
        assert told in rank.said()
    return started


def state_of(config, workdir, step):
    """A run's state at a checkpoint, as NumPy arrays."""
    graph, weights = abstract_model(config)
    optimizer, _ = train_step_of(config, graph)
    like = jax.eval_shape(lambda w: init_state(graph, w, optimizer, config.train.ema > 0), weights)
    like = jax.tree.map(lambda x: np.empty(x.shape, x.dtype), like)
    return Checkpoints(workdir, read_only=True).state(step, like)


def furthest(a, b):
    """The largest difference of two trees, as a share of the largest number in its array."""
    off = lambda x, y: np.abs(np.float64(x) - y).max() / max(np.abs(x).max(), 1e-30)
    return max(jax.tree.leaves(jax.tree.map(off, a, b)))


def order(*starts):
    """Each step's rows, put together from the slices of the processes that did it.

    A start reads a few steps ahead of those that it does; the next start does them.
    """
    batches = {}
    for started in starts:
        told = {}
        for rank in started:
            told |= rank.rows()
        steps = sorted({step for step, _ in told})
        batches |= {step: [] for step in steps}
        for (step, _), rows in sorted(told.items()):
            batches[step] += rows
    return [batches[step] for step in range(STEPS)]


def sha256(batches):
    return hashlib.sha256(json.dumps(batches).encode()).hexdigest()


def losses(workdir):
    lines = metrics(workdir)
    assert [line["step"] for line in lines] == list(range(1, STEPS + 1))
    return np.array([line["loss"] for line in lines])


def spread(a, b):
    """The furthest apart that two loss curves are, as a share."""
    return float(np.abs(losses(a) / losses(b) - 1).max())


MANY = [pytest.param(n, marks=pytest.mark.battery) for n in (2, 4, 8)]


@pytest.mark.parametrize("n", MANY)
def test_it_is_the_run_of_one_process(ranks, alone, tmp_path, n):
    workdir, config, faces, _ = alone
    off = furthest(*(first_gradient(ranks, tmp_path / f"{k}", config, k) for k in (1, n)))
    assert off < 1e-5
    together = ranks.run(tmp_path / "many", config=config, n=n)
    assert sha256(order(together)) == sha256(faces)
    apart = spread(tmp_path / "many", workdir)
    assert apart < 1e-4
    tell(
        f"{n} processes against one",
        f"order {sha256(faces)[:12]} for both; first gradient {off:.0e} apart, loss curve "
        f"{apart:.0e}",
    )


def first_gradient(ranks, workdir, config, n):
    """Adam's first moment after a step: a tenth of the gradient."""
    changes = [f"--config.train.{key}=1" for key in ("steps", "log_every", "eval_every")]
    ranks.run(workdir, *changes, config=config, n=n)
    return state_of(config, workdir, 1)["opt"]


@pytest.mark.parametrize("n", [2, *MANY[1:]])
def test_evaluation_is_that_of_one_process(ranks, alone, n):
    workdir, config, *_ = alone
    before = evaluation(workdir)
    ranks.run(workdir, "--config.mode=eval", config=config, n=n)
    unequal, apart = compared(before, evaluation(workdir))
    assert not unequal
    assert apart < 1e-6
    tell(f"evaluation by {n} processes", f"counts equal, figures {apart:.0e} apart")


def evaluation(workdir):
    with np.load(workdir / "eval" / "test.npz") as arrays:
        figures = json.loads((workdir / "eval" / "test.json").read_text())
        del figures["config"], figures["versions"]  # which tell in what mode, and on what devices
        return figures, dict(arrays)


def compared(a, b):
    """Whole numbers, names and faces that are not equal, and how far all others are apart."""
    ours, theirs = (dict(flat({"figures": f, "arrays": arrays})) for f, arrays in (a, b))
    assert ours.keys() == theirs.keys()
    pairs = {key: (np.asarray(value), np.asarray(theirs[key])) for key, value in ours.items()}
    real = {key for key, (x, _) in pairs.items() if x.dtype.kind == "f"}
    unequal = [
        (k, *pair) for k, pair in pairs.items() if k not in real and (pair[0] != pair[1]).any()
    ]
    return unequal, max(float(np.abs(np.subtract(*pairs[key])).max(initial=0)) for key in real)


def flat(tree, prefix=""):
    for key, value in tree.items() if isinstance(tree, dict) else enumerate(tree):
        if isinstance(value, dict | list):
            yield from flat(value, f"{prefix}{key}.")
        elif value is not None:
            yield prefix + str(key), value


PAIRS = [(p, q) for p in (1, 2, 4) for q in (1, 2, 4)]


@pytest.mark.parametrize(
    ("p", "q"), [(2, 1), *(pytest.param(*pair, marks=pytest.mark.battery) for pair in PAIRS)]
)
def test_stopped_on_p_it_goes_on_with_q(ranks, alone, tmp_path, p, q):
    """SIGTERM to any one saves all at the same step, and no face is missed, or seen twice."""
    unbroken, config, faces, early = alone
    workdir = tmp_path / "run"
    # Those that save keep their state in parts, if they are several; those that go on do not.
    first = stopped(ranks, workdir, config, p, "--config.train.fsdp_above=0.0005")
    state = state_of(config, workdir, EARLY)
    off = max(furthest(early[part], state[part]) for part in ("params", "opt"))
    assert off < 1e-4
    assert order(first, ranks.run(workdir, config=config, n=q)) == faces
    apart = spread(workdir, unbroken)
    assert apart < 1e-4
    tell(
        f"saved on {p}, resumed on {q}",
        f"step {EARLY} of {STEPS}, {off:.0e} apart; the same faces; loss curve {apart:.0e}",
    )


@pytest.mark.parametrize("n", [pytest.param(n, marks=pytest.mark.battery) for n in (1, 2, 4)])
def test_the_same_number_gives_the_same_bits_also_where_it_was_stopped(ranks, alone, tmp_path, n):
    _, config, *_ = alone
    stopped(ranks, tmp_path / "stopped", config, n)
    for name in ("stopped", "unbroken"):
        ranks.run(tmp_path / name, config=config, n=n)
    states = [state_of(config, tmp_path / name, STEPS) for name in ("stopped", "unbroken")]
    assert same(*states)
    assert losses(tmp_path / "stopped").tolist() == losses(tmp_path / "unbroken").tolist()
    tell(f"stopped and resumed on {n}", "bit-equal to the unbroken run")
