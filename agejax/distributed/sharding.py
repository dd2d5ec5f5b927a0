"""How the devices of a mesh keep what training carries: whole, or each its part."""

import dataclasses

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from agejax.types import Tree


@dataclasses.dataclass(frozen=True)
class Layout:
    """Fully sharded data parallelism where arrays are large, plain data parallelism where not.

    Each device keeps a slice of every large array of weights, averages and optimiser state, gathers
    the weights for its rows of the batch, and updates its own slice (Rajbhandari et al., ZeRO, SC
    2020; Zhao et al., PyTorch FSDP, VLDB 2023).

    Attributes:
      mesh: with one axis, "data", along which batches are split.
      above: bytes; larger arrays are split along the longest axis that the devices divide. Those
        that have none, and all where this is None, are whole on every device.
    """

    mesh: Mesh
    above: float | None = None

    def shardings(self, tree: Tree) -> Tree:
        """That of each array, or shape, of a tree."""
        return jax.tree.map(self._sharding, tree)

    def kept(self, tree: Tree) -> Tree:
        """Within a program: the arrays as the devices keep them."""
        return jax.lax.with_sharding_constraint(tree, self.shardings(tree))

    def gathered(self, tree: Tree) -> Tree:
        """Within a program: the arrays whole on every device.

        What follows is then plain data parallelism. Left to itself, XLA would at times rather
        exchange activations than weights.
        """
        if self.above is None:
            return tree
        return jax.lax.with_sharding_constraint(tree, NamedSharding(self.mesh, PartitionSpec()))

    def _sharding(self, x: jax.Array | jax.ShapeDtypeStruct) -> NamedSharding:
        spec = PartitionSpec()
        if self.above is not None and x.size * np.dtype(x.dtype).itemsize > self.above:
            divided = [i for i, n in enumerate(x.shape) if n % self.mesh.size == 0]
            if divided:
                axis = max(divided, key=lambda i: x.shape[i])
                spec = PartitionSpec(*[None] * axis, "data")
        return NamedSharding(self.mesh, spec)
