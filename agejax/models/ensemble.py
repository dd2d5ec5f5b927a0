"""Ensembles of several networks."""

from collections.abc import Mapping
from functools import reduce

import jax
import jax.numpy as jnp
from flax import nnx

from agejax.models.layers import Key
from agejax.models.multitask import MultiTask

Logits = dict[str, jax.Array]  # of each task


class Ensemble(nnx.Module):
    """Networks with the same tasks, whose probabilities are averaged.

    Deep ensembles (Lakshminarayanan et al., NeurIPS 2017). Each network is trained separately. In a
    config it takes the place of the trunk, and `config.model.members` lists the networks.
    """

    def __init__(self, members: Mapping[str, MultiTask]):
        """An ensemble of networks, by name."""
        self.members = nnx.Dict(dict(members))

    def __call__(self, image: jax.Array, key: Key = None) -> dict[str, Logits]:
        """[B, H, W, 3], RGB in 0..255 -> {member: its logits}."""
        return self.logits(self.features(image, key))

    def features(self, image: jax.Array, key: Key = None) -> dict[str, jax.Array]:
        """[B, H, W, 3] -> {member: the features of its trunk [B, F]}."""
        return {name: member.features(image, key) for name, member in self.members.items()}

    def logits(self, features: Mapping[str, jax.Array]) -> dict[str, Logits]:
        """{member: features} -> {member: its logits}."""
        return {name: member.logits(features[name]) for name, member in self.members.items()}

    def probabilities(self, logits: Mapping[str, Logits]) -> dict[str, jax.Array]:
        """{member: its logits} -> {task: float32 [B, classes]}, each row sums to one."""
        of_each = [member.probabilities(logits[name]) for name, member in self.members.items()]
        total = reduce(lambda a, b: jax.tree.map(jnp.add, a, b), of_each)
        return jax.tree.map(lambda p: p / len(of_each), total)
