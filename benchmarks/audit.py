"""What `agejax audit` finds of planted errors, on real faces; test faces are only predicted.

    python benchmarks/audit.py --manual_dir DIR [--checkpoint FILE] [--cache DIR] [--seeds 3]

Wrong labels are planted among the training and validation faces of IMDB. Prints a Markdown table;
each cell has the mean over the seeds, then the smallest and the largest value. If cleanlab is
installed, its regression score is among the rows, of the same predictions.
"""

import argparse
import dataclasses
import functools
import json
import resource
import tempfile
import time
from pathlib import Path

import numpy as np
from scipy.stats import rankdata

from agejax.auditing.audit import audit, standardised_inputs
from agejax.auditing.features import Features, features_of
from agejax.auditing.head import out_of_fold
from agejax.auditing.labels import labels_of
from agejax.auditing.suspicion import groups
from agejax.checkpoints.run_dir import read_checkpoint
from agejax.data.imdb_wiki import imdb_wiki
from agejax.data.joined import joined
from agejax.data.tables.plant import plant
from agejax.labels import median_age
from agejax.training.compilation_cache import keep_compiled
from agejax.utils.notes import printed

PLANTS = {
    "ages swapped, 15 years or more": ("swap", (15, 100)),
    "ages swapped, 5 to 14 years": ("swap", (5, 14)),
    "ages swapped, any difference": ("swap", (1, 100)),
    "genders swapped": ("gender", None),
}
RATE, FIRST = 0.2, 0.1


def one_set(*parts):
    """Sets of known persons as one."""
    columns = (np.concatenate([getattr(part, of) for part in parts]) for of in ("path", "person"))
    return joined(parts, *columns)


def planted_in(faces, kind, years, seed, rate=RATE):
    """Faces with wrong labels, and bool [N], whose label is wrong."""
    task = "gender" if kind == "gender" else "age"
    label = faces.labels[task].astype(np.int64)
    wrong = plant(kind, label, faces.known[task], rate, seed, years)
    label[wrong.rows] = wrong.label
    there = np.zeros(len(faces), bool)
    there[wrong.rows] = True
    return dataclasses.replace(faces, labels=faces.labels | {task: label}), there


def auroc(score, positive):
    ranks, n = rankdata(score), int(positive.sum())
    return (ranks[positive].sum() - n * (n + 1) / 2) / (n * (~positive).sum())


def figures(score, there, age, of=None):
    """AUROC, the share planted in the first tenth, and of the rest in it who is old and who young.

    The last two are multiples of their share of all unplanted faces.
    """
    first = np.zeros(len(score), bool)
    first[np.argsort(-score, kind="stable")[: int(FIRST * len(score))]] = True
    some = np.ones(len(score), bool) if of is None else of | ~there
    share = lambda who: float((first & ~there & who).sum() / first.sum() / (~there & who).mean())
    return {
        "AUROC": float(auroc(score[some], there[some])),
        "precision": float(there[first].mean()),
        "70+": share(age >= 70),
        "0-9": share(age <= 9),
    }


def cleanlab_scores(label, read):
    """{name: [N], higher for labels that are likelier to be wrong}; {} without cleanlab."""
    try:
        from cleanlab.regression.rank import get_label_quality_scores
    except ImportError:
        return {}
    return {"cleanlab": -get_label_quality_scores(label.astype(float), read)}


def found(faces, features, name, seed):
    kind, years = PLANTS[name]
    changed, there = planted_in(faces, kind, years, seed)
    result = audit(changed, features, seed)
    task = "gender" if kind == "gender" else "age"
    of, age = result.tasks[task], faces.labels["age"]
    scores = {"audit": of.wrong}
    label = changed.labels[task]
    if task == "age":
        read = median_age(of.p)
        scores |= {"residual": abs(read - label), **cleanlab_scores(label, read)}
    else:
        scores |= {"residual": 1 - of.p[np.arange(len(label)), label]}
    rows = {f"{name}: {key}": figures(score, there, age) for key, score in scores.items()}
    if years == (1, 100):
        off = abs(label - age)
        for low, high in ((15, 100), (5, 14)):
            part = there & (off >= low) & (off <= high)
            rows[f"{name}, those of {low} to {high}: audit"] = {
                "AUROC": figures(of.wrong, there, age, part)["AUROC"]
            }
    expected = float(of.wrong.mean())
    rows[f"{name}: audit"] |= {"estimated": expected, "share": float(there.mean())}
    return rows, result, changed, there


def same_image(result, there, age):
    """Of images with one age in all their rows, where one row was planted: how many are told."""
    told: list[bool] = []
    for rows in groups(np.unique(result.faces.sha256, return_inverse=True)[1]):
        bad, fine = rows[there[rows]], rows[~there[rows]]
        if len(set(age[rows].tolist())) == 1 and len(bad) == 1 and len(fine):
            wrong = result.tasks["age"].wrong
            told.append(wrong[bad[0]] > wrong[fine].max())
    share = float(np.mean(told)) if told else float("nan")
    return {"told apart": share, "groups": len(told)}


def test_errors(faces, features, test, test_features, changed, result, seed):
    """{how it was fitted: MAE on the test faces}, of the head of the audit, by the median."""
    both = one_set(faces, test)
    merged = Features(
        np.concatenate([features.trunk, test_features.trunk]),
        {t: np.concatenate([features.read[t], test_features.read[t]]) for t in features.read},
        np.concatenate([features.small, test_features.small]),
        np.concatenate([features.readable, test_features.readable]),
    )
    inputs, last = standardised_inputs(merged), np.arange(len(both)) >= len(faces)

    def mae(ages, keep, forgives):
        ages = np.concatenate([ages, np.zeros(len(test), np.int32)])
        known = np.concatenate([keep, np.zeros(len(test), bool)])
        given = dataclasses.replace(both, labels={"age": ages}, known={"age": known}, upto={})
        labels = labels_of(given, "age", merged.readable)
        if not forgives:  # no label is ever likelier as a wrong one
            labels = dataclasses.replace(labels, wrong=np.full(len(labels.wrong), 1e-12))
        p = out_of_fold(inputs, {"age": labels}, last.astype(int), seed)["age"][last]
        return float(abs(median_age(p) - test.labels["age"]).mean())

    every, right = np.ones(len(faces), bool), result.tasks["age"].wrong <= 0.5
    clean, planted = faces.labels["age"], changed.labels["age"]
    return {
        "clean": mae(clean, every, False),
        "20% planted": mae(planted, every, False),
        "planted, flagged ones left out": mae(planted, right, False),
        "planted, with a noise rate": mae(planted, every, True),
        "planted, both": mae(planted, right, True),
    }


def table(of_seeds):
    """Prints Markdown: a row for each name, the columns of its figures."""
    for name in of_seeds[0]:
        cells = []
        for key in of_seeds[0][name]:
            values = np.array([rows[name][key] for rows in of_seeds])
            cells.append(f"{key} {values.mean():.3f} ({values.min():.3f}-{values.max():.3f})")
        print(f"| {name} | {', '.join(cells)} |", flush=True)


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
    opened = functools.partial(imdb_wiki, manual_dir=args.manual_dir, data_dir=args.data_dir)
    faces, test = one_set(opened("train"), opened("validation")), opened("test")
    model = read_checkpoint(args.checkpoint)
    with tempfile.TemporaryDirectory() as none, printed():
        cache = (args.cache or Path(none)) / "imdb.npz"
        begin, used = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF)
        features = features_of(model, faces, cache)
        read = time.perf_counter() - begin
        test_features = features_of(model, test, cache)
    begin = time.perf_counter()
    audit(faces, features)
    scored, now = time.perf_counter() - begin, resource.getrusage(resource.RUSAGE_SELF)
    print(f"{len(faces):,} faces: features {read:.0f} s (or kept), the rest {scored:.0f} s;")
    print(f"processor time in all, with the test faces: {now.ru_utime - used.ru_utime:.0f} s\n")
    print("| planted | figures: mean (least-most) over the seeds |")
    print("|---|---|")
    collected = []
    for seed in range(args.seeds):
        rows = {}
        for name in PLANTS:
            more, result, changed, there = found(faces, features, name, seed)
            rows |= more
            if PLANTS[name][1] == (15, 100):
                pairs = same_image(result, there, faces.labels["age"])
                rows["identical images, one planted"] = pairs
                of_test = (faces, features, test, test_features, changed, result, seed)
                rows["test MAE"] = test_errors(*of_test)
        collected.append(rows)
        if args.out:
            args.out.write_text(json.dumps(collected, indent=1) + "\n")
    table(collected)
    back = [rows["test MAE"] for rows in collected]
    for how in ("planted, flagged ones left out", "planted, with a noise rate", "planted, both"):
        won = [(e["20% planted"] - e[how]) / (e["20% planted"] - e["clean"]) for e in back]
        print(f"| test MAE, {how} | won back {np.mean(won):.0%} ({min(won):.0%}-{max(won):.0%}) |")


if __name__ == "__main__":
    main()
