"""One table of the folds of a cross-validation: each fold, their mean, and all faces together."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ml_collections import ConfigDict
from scipy.stats import t as student

from agejax.config.sweeps import folder_of
from agejax.errors import UserError, first_line
from agejax.evaluation.predictions import losses, predictions_file, tasks_of
from agejax.experiments.compared_files import Arrays, read_evaluation
from agejax.metrics.bootstrap import intervals, ratio_draws
from agejax.metrics.curves import SLACK
from agejax.utils.notes import warn
from agejax.utils.system_files import entries

# Column: its task, its title, and how a value is formatted.
METRICS = {
    "mae": ("age", "age MAE, years", "{:.2f}"),
    "cs5": ("age", "CS@5", "{:.1%}"),
    "accuracy": ("gender", "gender accuracy", "{:.1%}"),
}


def folds_in(folder: Path) -> dict[str, Path]:
    """{fold: its run} of the runs in a folder, and a note where folds are missing.

    Raises:
      UserError: there is no run, one is not a fold, or they are folds of different numbers.
    """
    if not folder.is_dir():
        raise UserError(f"{folder}: there is no such folder")
    by_name = sorted(entries(folder), key=lambda path: (len(path.name), path.name))
    runs = {path.name: path for path in by_name if (path / "config.json").is_file()}
    if not runs:
        raise UserError(
            f"{folder}: there is no run in it; `agejax train --config FILE --folds=5` trains folds"
        )
    counts, tested = {}, set()
    for name, path in runs.items():
        try:
            data = json.loads((path / "config.json").read_text(encoding="utf-8"))["data"]
            counts[name] = int(data.get("folds", 0))
            tested |= {*map(str, data.get("test_folds", ()))}
        except (
            OSError,
            ValueError,
            LookupError,
            TypeError,
            AttributeError,
            RecursionError,
        ) as error:
            raise UserError(f"{path}: its config cannot be read ({first_line(error)})") from error
        if not counts[name]:
            raise UserError(f"{path} is not a fold: its config.data.folds is 0")
        if counts[name] != counts[first := next(iter(counts))]:
            raise UserError(
                f"{path} is one of {counts[name]} folds, but {first} one of {counts[first]}"
            )
    total = next(iter(counts.values()))
    if len(tested) < total:
        warn(f"{len(tested)} of {total} folds are tested")
    return runs


def fold_figures(runs: Mapping[str, Path], split: str = "test") -> dict[str, Any]:
    """The figures of the folds of one way of training.

    Args:
      runs: {fold: its run, evaluated on the split}, two or more.
      split: the split of each.

    Returns:
      {"split", "n" (rows: a face that is tested in two folds counts twice), "persons" (None if
       unknown), "folds": {fold: {"n", "persons", METRIC, METRIC_interval (95%, over persons)}},
       "over_folds": {METRIC (mean of the folds), METRIC_deviation (standard deviation of a fold),
         METRIC_interval (95%, Student's t)},
       "over_faces": {METRIC (of all faces together), METRIC_interval (95%, over persons, or faces
         if these are unknown)}},
      for the METRIC "mae" (years), "cs5" and "accuracy" (of gender) that all folds have. An
      interval is None where it cannot be computed.

    Raises:
      UserError: there are fewer than two runs, one is not evaluated, two test the same faces, or
        they have no task in common.
    """
    if len(runs) < 2:
        raise UserError(f"folds are two runs or more; there are {', '.join(runs) or 'none'}")
    read = {
        fold: read_evaluation(predictions_file(path, split), split) for fold, path in runs.items()
    }
    _check_distinct(read)
    has = lambda one, task: task in tasks_of(one) and one[f"{task}_known"].any()
    metrics = [m for m in METRICS if all(has(one, METRICS[m][0]) for one in read.values())]
    if not metrics:
        raise UserError(f"the folds {', '.join(read)} have neither ages nor genders in common")
    everyone = list(read.values())
    folds = {fold: _figures([one], metrics) for fold, one in read.items()}
    together = _figures(everyone, metrics)
    return {
        "split": split,
        "n": together.pop("n"),
        "persons": together.pop("persons"),
        "folds": folds,
        "over_folds": _over_folds(list(folds.values()), metrics),
        "over_faces": together,
    }


def _check_distinct(read: Mapping[str, Arrays]) -> None:
    seen: dict[bytes, str] = {}
    for fold, one in read.items():
        if (other := seen.setdefault("\0".join(one["path"].tolist()).encode(), fold)) != fold:
            raise UserError(
                f"{other} and {fold} test the same faces: they are no folds; `agejax compare` is "
                f"for runs of the same faces"
            )


def _figures(parts: Sequence[Arrays], metrics: Sequence[str]) -> dict[str, Any]:
    """Metrics of the faces of all parts together, with 95% intervals over persons."""
    known = all("person" in one for one in parts)
    who = np.concatenate([one["person" if known else "path"].astype(str) for one in parts])
    figures: dict[str, Any] = {"n": len(who), "persons": len(np.unique(who)) if known else None}
    above, counted = [], []
    for metric in metrics:
        task = METRICS[metric][0]
        values = np.concatenate([losses(task, one) for one in parts])
        counts = np.concatenate([one[f"{task}_known"] for one in parts]).astype(np.float64)
        above.append((values <= 5 + SLACK if metric == "cs5" else values) * counts)
        counted.append(counts)
    sums, counts = np.stack(above, axis=1), np.stack(counted, axis=1)
    values = sums.sum(0) / counts.sum(0)
    ends = intervals(ratio_draws(sums, counts, who))
    for metric, value, interval in zip(metrics, values, ends, strict=True):
        figures[metric] = float(value)
        figures[f"{metric}_interval"] = None if np.isnan(interval).any() else interval.tolist()
    return figures


def _over_folds(folds: Sequence[Mapping[str, Any]], metrics: Sequence[str]) -> dict[str, Any]:
    figures: dict[str, Any] = {}
    for metric in metrics:
        values = np.array([of[metric] for of in folds])
        mean, deviation = float(values.mean()), float(values.std(ddof=1))
        half = float(student.ppf(0.975, len(values) - 1)) * deviation / len(values) ** 0.5
        figures[metric] = mean
        figures[f"{metric}_deviation"] = deviation
        figures[f"{metric}_interval"] = [mean - half, mean + half]
    return figures


def fold_table(figures: Mapping[str, Any]) -> str:
    """Formats the result of `fold_figures` in at most 100 columns."""
    metrics = [metric for metric in METRICS if metric in figures["over_faces"]]
    people = f" of {figures['persons']:,} persons" if figures["persons"] else ""
    k = len(figures["folds"])
    head = f"{'':12}{'faces':>7}" + "".join(f"  {METRICS[m][1]:24}" for m in metrics)
    lines = [f"{figures['split']}: {figures['n']:,} faces{people} in {k} folds", "", head.rstrip()]
    for fold, of in figures["folds"].items():
        lines.append(_line(fold[-12:], of, metrics, f"{of['n']:,}"))
    lines.append(_line("mean", figures["over_folds"], metrics, ""))
    lines.append(_line("all faces", figures["over_faces"], metrics, f"{figures['n']:,}"))
    over = "persons" if figures["persons"] else "faces"
    spread = ", ".join(
        f"{METRICS[m][1]} {METRICS[m][2].format(figures['over_folds'][f'{m}_deviation'])}"
        for m in metrics
    )
    return "\n".join(
        [
            *lines,
            "",
            f"95% intervals: of folds and of all faces over {over}, of the mean over folds "
            f"(Student's t, {k - 1} degrees of freedom).",
            f"Standard deviation of a fold: {spread}.",
        ]
    )


def _line(name: str, of: Mapping[str, Any], metrics: Sequence[str], faces: str) -> str:
    return (f"{name:12}{faces:>7}" + "".join(_cell(metric, of) for metric in metrics)).rstrip()


def _cell(metric: str, of: Mapping[str, Any]) -> str:
    form, ends = METRICS[metric][2], of[f"{metric}_interval"]
    interval = f"({form.format(ends[0]).rstrip('%')} to {form.format(ends[1])})" if ends else ""
    return f"  {f'{form.format(of[metric])} {interval}':24}"


def print_folds(runs: Mapping[str, ConfigDict], folder: Path) -> None:
    """Prints a table for each way of training of a sweep whose folds are all evaluated."""
    for name, folds in _ways(runs):
        paths = {fold: folder_of(folder, f"{name}/{fold}".lstrip("/")) for fold in folds}
        split = next(iter(folds.values())).eval.split
        if all((path / "eval" / f"{split}.npz").is_file() for path in paths.values()):
            print(f"\n{folder / name}, {fold_table(fold_figures(paths, split))}")


def _ways(runs: Mapping[str, ConfigDict]) -> Iterator[tuple[str, dict[str, ConfigDict]]]:
    """(name of a way of training, {fold: its config}) of the runs of a sweep that are folds."""
    ways: dict[str, dict[str, ConfigDict]] = {}
    for name, config in runs.items():
        if config.data.folds:
            way, _, fold = name.rpartition("/")
            ways.setdefault(way, {})[fold] = config
    for way, folds in ways.items():
        tested = {str(of.data.test_folds) for of in folds.values()}
        if len(tested) == len(folds) > 1:  # not the seeds of one fold
            yield way, folds
