"""Any number of processes trains as one does: the same order, gradients, curves and figures.

The default run looks at two processes; the battery at 1, 2, 4 and 8, and at all pairs of a number
that saves and one that goes on.
"""

import hashlib
import json
import random
import signal

import jax
import numpy as np
import pytest

from agejax.runtime.checkpoint import Checkpoints
from agejax.runtime.model import abstract_model
from agejax.runtime.steps import train_step_of
from agejax.train.optim import constant
from agejax.train.step import init_state
from tests.battery.counts import tell
from tests.cluster.conftest import metrics
from tests.saved import same

STEPS = 12


@pytest.fixture(scope="session")
def alone(archives, built, ranks, tmp_path_factory):
    """A run of one process: its folder, config, first gradient, and the order of its faces."""
    from tests.tiny import get_config

    config = get_config()
    config.data.update(manual_dir=str(archives), data_dir=str(built), size=8)
    with config.unlocked():
        config.model.args = {"widths": (8,), "depths": (1,), "dropout": 0.2}
    config.optim.schedule = constant
    config.train.update(steps=STEPS, eval_every=6, log_every=1)
    workdir = tmp_path_factory.mktemp("alone") / "run"
    first, gradient = one_step(ranks, workdir, config, n=1)
    return workdir, config, gradient, order(first, ranks.run(workdir, config=config, n=1))


def one_step(ranks, workdir, config, n):
    """Trains a step: its processes, and Adam's first moment, which is a tenth of the gradient."""
    changes = [f"--config.train.{key}=1" for key in ("steps", "log_every", "eval_every")]
    started = ranks.run(workdir, *changes, config=config, n=n)
    return started, state_of(config, workdir, 1)["opt"]


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


@pytest.mark.parametrize("n", [2, *(pytest.param(n, marks=pytest.mark.battery) for n in (4, 8))])
def test_it_is_the_run_of_one_process(ranks, alone, tmp_path, n):
    workdir, config, gradient, faces = alone
    many = tmp_path / "many"
    first, theirs = one_step(ranks, many, config, n)
    off = furthest(gradient, theirs)
    assert off < 1e-5
    seen = order(first, ranks.run(many, config=config, n=n))
    assert sha256(seen) == sha256(faces)
    assert spread(many, workdir) < 1e-4
    evaluated = [figures(ranks, workdir, config, k, tmp_path) for k in (1, n)]
    counts_equal, furthest_figure = compared(*evaluated)
    assert counts_equal
    assert furthest_figure < 1e-6
    tell(
        f"{n} processes against one",
        f"order {sha256(seen)[:12]} for both; first gradient {off:.0e} apart, loss "
        f"curve {spread(many, workdir):.0e}, evaluation {furthest_figure:.0e}, its counts equal",
    )


def figures(ranks, workdir, config, n, folder):
    """Those of the last checkpoint, as `n` processes work them out."""
    ranks.run(workdir, "--config.mode=eval", "--config.eval.checkpoint=latest", config=config, n=n)
    with np.load(workdir / "eval" / "test.npz") as arrays:
        return json.loads((workdir / "eval" / "test.json").read_text()), dict(arrays)


def compared(a, b):
    """Whether all whole numbers, names and faces agree, and how far the others are apart."""
    ours, theirs = (dict(flat({"figures": f, "arrays": arrays})) for f, arrays in (a, b))
    assert ours.keys() == theirs.keys()
    equal, off = True, 0.0
    for key, value in ours.items():
        x, y = np.asarray(value), np.asarray(theirs[key])
        if x.dtype.kind == "f":
            off = max(off, float(np.abs(x - y).max(initial=0)))
        else:
            equal = equal and (x == y).all()
    return equal, off


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
    unbroken, config, _, faces = alone
    rng = random.Random(f"{p} {q}")
    workdir, hit, at = tmp_path / "run", rng.randrange(p), rng.randint(1, STEPS - 4)
    split = "--config.train.fsdp_above=0.001"  # the state, over devices; here those that save
    started = ranks.start(workdir, split, config=config, n=p, hit=(hit, at, signal.SIGTERM))
    assert [r.end() for r in started] == [143] * p, [r.said() for r in started]
    saved = Checkpoints(workdir, read_only=True).latest()
    assert at <= saved < STEPS
    assert [r.count("step") for r in started] == [saved] * p
    for r in started:
        assert f"SIGTERM: {workdir} is saved at step {saved}" in r.said().replace("\n", " ")
    resumed = ranks.run(workdir, config=config, n=q)
    assert order(started, resumed) == faces
    assert spread(workdir, unbroken) < 1e-4
    if p == q == 1:
        assert same(state_of(config, workdir, STEPS), state_of(config, unbroken, STEPS))
    tell(
        f"saved on {p}, resumed on {q}",
        f"at step {saved} of {STEPS}; the same faces; loss curve {spread(workdir, unbroken):.0e}",
    )
