"""The errors at age thresholds of an evaluation, or of a file of predictions."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from agejax.config.validation import check_thresholds
from agejax.data.attributes import read_attributes
from agejax.errors import UserError
from agejax.evaluation.predictions import predictions_file, read_predictions
from agejax.evaluation.task_labels import few_valued
from agejax.metrics.groups import genders
from agejax.metrics.thresholds import threshold_figures


def thresholds_of_file(
    predictions: Path, split: str, thresholds: Sequence[int], attributes: Path | None = None
) -> dict[str, dict[str, Any]]:
    """The errors at thresholds, from predictions that an evaluation wrote.

    Args:
      predictions: a run, or a `.npz` file.
      split: whose evaluation of the run.
      thresholds: whole years.
      attributes: a table of attributes, for figures by group.

    Returns:
      As `agejax.metrics.thresholds.threshold_figures`.

    Raises:
      UserError: there is no such file, it has no probabilities of ages, or no age is known.
    """
    check_thresholds(thresholds, "--at")
    file = predictions_file(predictions, split)
    arrays = read_predictions(file)
    if "age_probabilities" not in arrays:
        raise UserError(f"{file}: it has no age_probabilities")
    known = arrays["age_known"]
    if not known.any():
        raise UserError(f"{file}: no age is known")
    groups: dict[str, np.ndarray] = {}
    if "gender_label" in arrays:
        groups["gender"] = genders(arrays["gender_label"], arrays["gender_known"])
    if attributes is not None:
        groups |= few_valued(read_attributes(attributes, arrays["path"]), groups)
    return threshold_figures(
        arrays["age_probabilities"][known],
        arrays["age_label"][known],
        arrays["age_upto"][known],
        {kind: of[known] for kind, of in groups.items()},
        thresholds,
    )
