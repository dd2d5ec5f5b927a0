"""Loads the inputs of a report: the files of an evaluation and the run's log."""

import dataclasses
import json
import os
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
from ml_collections import ConfigDict

from agejax.checkpoints import own_data
from agejax.checkpoints.run_dir import of_the_run, open_checkpoints, other_than_evaluated
from agejax.config import from_json, update
from agejax.data.npz import read_npz
from agejax.errors import UserError
from agejax.evaluation.evaluate import evaluate
from agejax.evaluation.predictions import evaluated_checkpoint
from agejax.labels import median_age
from agejax.metrics.calibration import Calibration
from agejax.metrics.intervals import interval_of
from agejax.metrics.masked_sums import off
from agejax.utils.notes import warn
from agejax.utils.plain_names import check_split

_LARGEST = 1e15  # larger numbers are not drawn
_NEEDED = {
    *("calibration", "groups", "worst_to_mean", "curves", "baseline", "data", "versions"),
    *("thresholds", "equality", "balanced"),
}


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """An evaluation of N faces.

    Attributes:
      name: the run's.
      figures: as returned by `agejax.evaluation.evaluate.evaluate`.
      arrays: the predictions and labels of each face, as it writes them.
      log: the lines of `metrics.jsonl`.
      config: the config of the evaluation.
    """

    name: str
    figures: dict[str, Any]
    arrays: dict[str, np.ndarray]
    log: list[dict[str, Any]]
    config: ConfigDict

    @property
    def ages(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Low, median and high age of each face, float64 [N] years."""
        saved = self.figures["calibration"]
        fitted = Calibration(widening=saved["widening"], by_group=saved.get("by_group", {}))
        suffix = "_probabilities"
        return interval_of(
            {
                name.removesuffix(suffix): p
                for name, p in self.arrays.items()
                if name.endswith(suffix)
            },
            fitted,
        )

    @property
    def last_age(self) -> np.ndarray:
        """The last year of labels that are ranges, int [N]; for exact labels the label itself."""
        return _last_age(self.arrays)


def open_evaluation(
    workdir: Path,
    split: str = "test",
    checkpoint: str | None = None,
    attributes: Path | None = None,
) -> Evaluation:
    """Loads the evaluation of a split, and evaluates first if needed.

    That is the case if there is no evaluation of this version; if its checkpoint is not the
    requested one, no longer exists, or has other weights or another calibration now; or if
    `attributes` is given.

    Raises:
      UserError: there is no run, or it cannot be evaluated.
    """
    check_split(split, "--split")
    checkpoints = open_checkpoints(workdir)
    saved = _saved(workdir, split)
    changes: dict[str, Any] = {"eval.split": split}
    if checkpoint is not None:
        changes["eval.checkpoint"] = checkpoint
    if attributes is not None:
        changes["eval.attributes"] = str(attributes)
    if saved and attributes is None:
        asked = str(saved[0]["step"]) if checkpoint is None else checkpoint
        try:
            fresh = checkpoints.find(asked) == saved[0]["step"]
        except UserError:
            if checkpoint is not None:
                raise
            fresh, changes["eval.checkpoint"] = False, "best"  # later training deleted it
        of = saved[0]["step"], saved[0].get("checkpoint")
        if fresh and (differs := other_than_evaluated(workdir, *of)):
            file = Path(workdir, "eval", f"{split}.json")
            warn(f"{file} is of {differs}: evaluated again")
            fresh = False
        if fresh:
            return _of(workdir, *saved)
    config = _config(workdir, saved[0], changes) if saved else of_the_run(workdir, {})
    update(config, changes)
    if not evaluate(config, workdir)["age"]["n"]:
        raise UserError(f"{workdir}: split {split} has no age labels; there is nothing to report")
    written = _saved(workdir, split)
    if written is None:
        raise UserError(f"{workdir}/eval: another process is writing there; try again")
    return _of(workdir, *written)


def _of(workdir: Path, figures: dict[str, Any], arrays: dict[str, np.ndarray]) -> Evaluation:
    log = _lines(workdir / "metrics.jsonl")
    name, config = Path(os.path.realpath(workdir)).name, _config(workdir, figures)
    return Evaluation(name, figures, arrays, log, config)


def _config(workdir: Path, figures: dict[str, Any], changes: Collection[str] = ()) -> ConfigDict:
    config = from_json(json.dumps(figures["config"]), f"eval/{figures['split']}.json")
    return own_data.own(config, workdir, changes)


def _saved(workdir: Path, split: str) -> tuple[dict[str, Any], dict[str, np.ndarray]] | None:
    """The figures and arrays of an evaluation by this version; None if there is none."""
    try:
        figures = json.loads(Path(workdir, "eval", f"{split}.json").read_text(encoding="utf-8"))
        arrays = read_npz(Path(workdir, "eval", f"{split}.npz"))
        _config(workdir, figures)
        known = arrays["age_known"]
        p = arrays["age_probabilities"][known].astype(np.float64)
        last = _last_age(arrays)[known]
        if "checkpoint" in figures:  # older versions did not record it
            recorded = figures["step"], figures["checkpoint"]
            if evaluated_checkpoint(arrays) != recorded:
                return None
        mae = np.abs(off(median_age(p), arrays["age_label"][known], last)).mean()
        # An interrupted evaluation may have written only one of the two files.
        same = len(known) == figures["n"] and abs(mae - figures["age"]["mae"]["median"]) < 1e-6
        return (figures, arrays) if same and figures.keys() >= _NEEDED else None
    except Exception:  # missing, damaged, or written by another version
        return None


def _last_age(arrays: dict[str, np.ndarray]) -> np.ndarray:
    return arrays["age_upto"] if "age_upto" in arrays else arrays["age_label"]


def _lines(file: Path) -> list[dict[str, Any]]:
    """The complete lines of a log; the last one may still be incomplete."""
    if not file.exists():
        return []
    lines = []
    for text in file.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            line = json.loads(text)
        except (ValueError, RecursionError):
            continue
        if isinstance(line, dict) and _is_number(line.get("step")):
            lines.append(_numbers(line))
    return lines


def _numbers(tree: dict[str, Any]) -> dict[str, Any]:
    """The numbers of a line that can be drawn."""
    return {
        name: _numbers(of) if isinstance(of, dict) else of
        for name, of in tree.items()
        if isinstance(of, dict) or _is_number(of)
    }


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and abs(value) < _LARGEST
