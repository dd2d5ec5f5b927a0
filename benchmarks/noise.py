"""What is left of planted errors in the test MAE, by how one trains, on real faces.

    python benchmarks/noise.py --manual_dir DIR [--checkpoint FILE] [--cache DIR] [--seeds 3]

Wrong ages, off by 15 years or more, are planted among the training and validation faces of IMDB;
test labels stay. A small network on the frozen features of the package's weights is trained with
the losses, the selection and the weights that a config has. Prints a Markdown table: a row for each
way, a column for each share of wrong labels; test MAE in years, mean over the seeds, with its 95%
interval over persons. * marks what differs from the cross-entropy: the paired interval excludes 0.
"""

import argparse
import functools
import json
import tempfile
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
from audit import one_set, planted_in

from agejax.auditing.audit import audit, standardised_inputs
from agejax.auditing.features import Features, features_of
from agejax.checkpoints.run_dir import read_checkpoint
from agejax.data.imdb_wiki import imdb_wiki
from agejax.labels import AGES, median_age
from agejax.losses.robust import bootstrapping, generalised_cross_entropy, noise_rate
from agejax.losses.row_losses import cross_entropy, label_distribution, multitask_loss
from agejax.losses.selection import share_at
from agejax.metrics.bootstrap import intervals, ratio_draws
from agejax.models.heads import cubic_splines
from agejax.training.compilation_cache import keep_compiled
from agejax.utils.notes import printed

RATES = (0.0, 0.1, 0.2, 0.4)
YEARS = (15, 100)
PLAIN = "cross_entropy"
HARD = functools.partial(bootstrapping, beta=0.8, hard=True)
# As the head of `agejax audit`.
KNOTS, WIDTH, DROPOUT = (0, 10, 30, 60, 100), 128, 0.5
BATCH, EPOCHS, RATE, DECAY = 256, 10, 2e-3, 1e-2


def ways(wrong, estimated):
    """{name: (loss, weights, known, share of a batch left out)}, by what an audit says.

    `wrong` is p_wrong [N], `estimated` the share of wrong labels.
    """
    every, ones = np.ones(len(wrong), bool), np.ones(len(wrong), np.float32)
    right, trusted = wrong <= 0.5, (1 - wrong).astype(np.float32)
    rated = of_rate(round(estimated * 20) / 20)  # each is a program of its own
    return {
        PLAIN: (cross_entropy, ones, every, 0.0),
        "label_distribution": (label_distribution, ones, every, 0.0),
        "generalised_cross_entropy": (generalised_cross_entropy, ones, every, 0.0),
        "bootstrapping": (bootstrapping, ones, every, 0.0),
        "bootstrapping, hard, beta 0.8": (HARD, ones, every, 0.0),
        "noise_rate, as the audit estimates it": (rated, ones, every, 0.0),
        "small losses, as many as the audit estimates": (cross_entropy, ones, every, estimated),
        "weights of the audit": (cross_entropy, trusted / trusted.mean(), every, 0.0),
        "labels of p_wrong above 0.5 left out": (cross_entropy, ones, right, 0.0),
        "both of these, and noise_rate": (rated, trusted / trusted.mean(), right, 0.0),
    }


@functools.cache
def of_rate(rate):
    return functools.partial(noise_rate, rate=rate)


def fitted(x, ages, way, seed):
    """float [M, 101]: predictions of all rows of x by a network fitted to the first len(ages)."""
    loss, weights, known, drop = way
    rows = {
        "labels": jnp.asarray(ages, jnp.int32),
        "known": jnp.asarray(known),
        "weights": jnp.asarray(weights),
    }
    common = np.bincount(ages, minlength=AGES) + 0.5
    prior = jnp.asarray(np.log(common / common.sum()), jnp.float32)
    out = _fitted(jnp.asarray(x, jnp.float32), rows, prior, jnp.float32(drop), seed, loss)
    return np.asarray(out, np.float64)


@functools.partial(jax.jit, static_argnames=("loss",))
def _fitted(x, rows, prior, drop, seed, loss):
    n = len(rows["labels"])
    batch_size = min(BATCH, n)
    each = n // batch_size
    key = jax.random.key(seed, impl="rbg")
    rate = optax.warmup_cosine_decay_schedule(0, RATE, EPOCHS * each // 20, EPOCHS * each)
    optimizer = optax.adamw(rate, weight_decay=DECAY)
    basis = jnp.asarray(cubic_splines(KNOTS, AGES))
    params = {
        "hidden": jax.random.normal(key, (x.shape[1], WIDTH)) / np.sqrt(x.shape[1]),
        "bias": jnp.zeros(WIDTH),
        "out": jnp.zeros((WIDTH, len(basis))),
        "direct": jnp.zeros((x.shape[1], len(basis))),
        "offset": jnp.zeros(len(basis)),
    }

    def logits_of(params, x, key=None):
        hidden = jax.nn.gelu(x @ params["hidden"] + params["bias"][None])
        if key is not None:
            kept = jax.random.bernoulli(key, 1 - DROPOUT, hidden.shape)
            hidden = jnp.where(kept, hidden / (1 - DROPOUT), 0)
        z = hidden @ params["out"] + x @ params["direct"] + params["offset"][None]
        return z @ basis + prior[None]

    def loss_of(params, at, step, key):
        part = {name: {"age": of[at]} for name, of in rows.items()}
        batch = part | {"image": None, "mask": jnp.ones(batch_size, bool)}
        left_out = {"age": share_at(step, drop, 2 * each)}  # over two epochs
        counts = {"age": part["known"]["age"].sum()}
        logits = {"age": logits_of(params, x[at], key)}
        return multitask_loss(
            logits, batch, {"age": 1.0}, counts, losses={"age": loss}, drop=left_out
        )

    def step(state, chosen):
        params, memory, i = state
        at, key = chosen
        grads = jax.grad(loss_of)(params, at, i, key)
        with jax.numpy_dtype_promotion("standard"):  # optax mixes dtypes of its scalars
            updates, memory = optimizer.update(grads, memory, params)
        return (optax.apply_updates(params, updates), memory, i + 1), None

    def epoch(state, key):
        order = jax.random.permutation(key, n)[: each * batch_size].reshape(each, batch_size)
        keys = jax.random.split(jax.random.fold_in(key, 1), each)
        return jax.lax.scan(step, state, (order, keys))

    keys = jax.random.split(jax.random.fold_in(key, 1), EPOCHS)
    (params, *_), _ = jax.lax.scan(epoch, (params, optimizer.init(params), jnp.int32(0)), keys)
    return jax.nn.softmax(logits_of(params, x))


def errors(faces, features, test, inputs, rate, seed):
    """{way: float [M]}, the absolute errors of the test faces; and what the audit estimates."""
    changed = faces
    if rate:
        changed, _ = planted_in(faces, "swap", YEARS, seed, rate)
    of = audit(changed, features, seed).tasks["age"]
    ages, found = changed.labels["age"], {}
    estimated = float(of.wrong.mean())
    for name, way in ways(of.wrong, estimated).items():
        p = fitted(inputs, ages, way, seed)[len(faces) :]
        found[name] = abs(median_age(p) - test.labels["age"])
    return found, estimated


def both_inputs(features, test_features):
    """float [N + M, F]: the inputs of the head, standardised over all faces."""
    pair = (features, test_features)
    merged = Features(
        *(np.concatenate([getattr(of, name) for of in pair]) for name in ("trunk",)),
        {task: np.concatenate([of.read[task] for of in pair]) for task in features.read},
        *(np.concatenate([getattr(of, name) for of in pair]) for name in ("small", "readable")),
    )
    return standardised_inputs(merged)


def summary(of_seeds, person):
    """{way: {"mae", "interval", "difference", "difference_interval", "seeds"}} of one rate."""
    names = list(of_seeds[0])
    mean = np.stack([np.mean([of[name] for of in of_seeds], axis=0) for name in names], axis=1)
    draws = ratio_draws(mean, np.ones_like(mean), person)
    apart = draws - draws[:, [names.index(PLAIN)]]
    found = {}
    for i, (name, low_high, of_apart) in enumerate(
        zip(names, intervals(draws).tolist(), intervals(apart).tolist(), strict=True)
    ):
        found[name] = {
            "mae": float(mean[:, i].mean()),
            "interval": low_high,
            "difference": float((mean[:, i] - mean[:, names.index(PLAIN)]).mean()),
            "difference_interval": of_apart,
            "seeds": [float(of[name].mean()) for of in of_seeds],
        }
    return found


def table(figures):
    """Yields Markdown: a row for each way, a column for each rate."""
    rates = list(figures)
    yield "| trained with | " + " | ".join(f"{float(rate):.0%} wrong" for rate in rates) + " |"
    yield "|---|" + "---|" * len(rates)
    for name in figures[rates[0]]["ways"]:
        cells = []
        for rate in rates:
            of = figures[rate]["ways"][name]
            low, high = of["difference_interval"]
            star = "*" if low > 0 or high < 0 else ""
            cells.append(f"{of['mae']:.2f}{star} ({of['interval'][0]:.2f}-{of['interval'][1]:.2f})")
        yield f"| {name} | {' | '.join(cells)} |"
    said = (" to ".join(f"{x:.1%}" for x in (min(of), max(of))) for of in
            (figures[rate]["estimated"] for rate in rates))  # fmt: skip
    yield f"| *wrong labels, as the audit estimates* | {' | '.join(said)} |"


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--manual_dir", required=True, help="folder of the archives")
    parser.add_argument("--data_dir", default=None, help="folder of the built data sets")
    parser.add_argument("--checkpoint", default=None, help="a run, or a file of weights")
    parser.add_argument("--cache", type=Path, default=None, help="a folder to keep features in")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=None, help="a .json of all figures")
    args = parser.parse_args()
    keep_compiled()
    begin = time.perf_counter()
    opened = functools.partial(imdb_wiki, manual_dir=args.manual_dir, data_dir=args.data_dir)
    faces, test = one_set(opened("train"), opened("validation")), opened("test")
    model = read_checkpoint(args.checkpoint)
    with tempfile.TemporaryDirectory() as none, printed():
        cache = (args.cache or Path(none)) / "imdb.npz"
        features = features_of(model, faces, cache)
        inputs = both_inputs(features, features_of(model, test, cache))
    runs = {rate: [] for rate in RATES}
    for seed in range(args.seeds):
        for rate in RATES:
            runs[rate].append(errors(faces, features, test, inputs, rate, seed))
            seconds = time.perf_counter() - begin
            print(f"seed {seed}, {rate:.0%}: done after {seconds:.0f} s", flush=True)
        figures = {
            str(rate): {
                "estimated": [share for _, share in of],
                "ways": summary([off for off, _ in of], test.person),
            }
            for rate, of in runs.items()
        }
        if args.out:
            args.out.write_text(json.dumps(figures, indent=1) + "\n")
    print("", *table(figures), sep="\n")


if __name__ == "__main__":
    main()
