"""How the devices of a mesh store the training state: replicated, or sharded."""

import dataclasses

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from agejax.types import Tree


@dataclasses.dataclass(frozen=True)
class Layout:
    """Fully sharded data parallelism for large arrays, plain data parallelism for the others.

    Each device stores a slice of every large array of weights, averages and optimiser state,
    gathers the weights for its rows of the batch, and updates its own slice (Rajbhandari et al.,
    ZeRO, SC 2020; Zhao et al., PyTorch FSDP, VLDB 2023).

    Attributes:
      mesh: with one axis, "data", along which batches are split.
      above: bytes; larger arrays are split along the longest axis divisible by the number of
        devices. Arrays without such an axis, and all if this is None, are replicated.
    """

    mesh: Mesh
    above: float | None = None

    def shardings(self, tree: Tree) -> Tree:
        """The sharding of each array, or shape, of a tree."""
        return jax.tree.map(self._sharding, tree)

    def kept(self, tree: Tree) -> Tree:
        """Inside jit: constrains arrays to the sharding in which devices store them."""
        return jax.lax.with_sharding_constraint(tree, self.shardings(tree))

    def gathered(self, tree: Tree) -> Tree:
        """Inside jit: gathers the arrays, whole on every device.

        The rest is then plain data parallelism. Otherwise XLA would sometimes exchange activations
        instead of weights.
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
