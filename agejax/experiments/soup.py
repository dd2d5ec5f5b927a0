"""Combines runs to a soup: one network whose weights are the mean of theirs.

Wortsman et al., "Model soups", ICML 2022. Networks that were fine-tuned from the same weights lie
so close together that their mean is as good as their ensemble, or nearly, at the cost of one.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
from ml_collections import ConfigDict

from agejax.checkpoints.run_dir import recorded
from agejax.config import NETWORK
from agejax.errors import UserError
from agejax.experiments.combined import Member, Way
from agejax.types import Weights
from agejax.utils.paths import expanded

_IN_TRAINING = ("dropout", "stochastic_depth")  # arguments of trunks that change no prediction


def _check(first: Member, other: Member) -> None:
    """Raises a `UserError` unless both are one network, fine-tuned from the same weights."""
    together = f"{first.run} and {other.run} cannot be averaged"
    one, another = (_network(member) for member in (first, other))
    if differ := [part for part in NETWORK if one[part] != another[part]]:
        raise UserError(
            f"{together}: config.model.{differ[0]} differs; `agejax ensemble` takes both"
        )
    # As the folders say: a member's config names no file that is not known to be the user's.
    starts = [recorded(member.run).model.pretrained for member in (first, other)]
    runs = [member.run.resolve() for member in (first, other)]
    if runs[0] == runs[1] or _is_of(starts[0], runs[1]) or _is_of(starts[1], runs[0]):
        return  # checkpoints of a run, or of one and of what it was fine-tuned to
    if starts[0] is None or starts[0] != starts[1]:
        raise UserError(
            f"{together}: they did not start from the same weights (config.model.pretrained); "
            f"`agejax ensemble` takes them"
        )


def _is_of(pretrained: str | None, run: Path) -> bool:
    """Whether initial weights are a run's, or one of its checkpoints."""
    if pretrained is None:
        return False
    try:
        start = expanded(Path(pretrained)).resolve()
    except (UserError, OSError, ValueError):  # not a path here
        return False
    return run in (start, *start.parents)


def _network(member: Member) -> dict[str, Any]:
    parts = {part: member.config.model[part] for part in NETWORK}
    args = {name: of for name, of in parts["args"].items() if name not in _IN_TRAINING}
    return parts | {"args": args}


def _config(config: ConfigDict, members: Sequence[Member]) -> ConfigDict:
    """A member's config."""
    config = config.copy_and_resolve_references()
    config.distil.teacher = None
    return config


def _averaged(weights: Sequence[Weights]) -> Weights:
    """The mean of each array, in its own dtype; what is not a float is the first's."""
    mean: Weights = jax.tree.map(_mean, *weights)
    return mean


def _mean(*arrays: Any) -> np.ndarray:
    first = np.asarray(arrays[0])
    if not jax.numpy.issubdtype(first.dtype, np.floating):
        return first
    return np.mean([np.asarray(x, np.float64) for x in arrays], axis=0).astype(first.dtype)


SOUP = Way("a soup", _config, _averaged, check=_check)
