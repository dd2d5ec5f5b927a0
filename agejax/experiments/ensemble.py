"""Combines runs to an ensemble: one model that averages their probabilities."""

from collections.abc import Sequence
from typing import Any

import jax
from ml_collections import ConfigDict

from agejax.config import NETWORK
from agejax.experiments.combined import Member, Read, Way
from agejax.models.ensemble import Ensemble
from agejax.models.multitask import to_unit
from agejax.types import Weights


def _config(config: ConfigDict, members: Sequence[Member]) -> ConfigDict:
    """A member's config, with the networks of all members instead of its own."""
    config = config.copy_and_resolve_references()
    with config.unlocked():
        config.model.update(trunk=Ensemble, normalise=to_unit, head_width=0, pretrained=None)
        config.distil.teacher = None
        config.model.args = {}
        config.model.members = {
            str(i): {part: member.config.model[part] for part in NETWORK}
            for i, member in enumerate(members)
        }
    return config


def _joined(weights: Sequence[Weights]) -> Weights:
    """The weights of an `Ensemble`, from those of its members."""
    params = {str(i): of["params"] for i, of in enumerate(weights)}
    stats = {str(i): of["stats"] for i, of in enumerate(weights) if of["stats"]}
    return Weights(params={"members": params}, stats={"members": stats} if stats else {})


def _mean(each: Sequence[Read]) -> Read:
    together: dict[str, Any] = jax.tree.map(lambda *p: sum(p) / len(p), *each)
    return together


ENSEMBLE = Way("an ensemble", _config, _joined, read=_mean)
