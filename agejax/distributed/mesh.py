"""One mesh over all devices of all processes, and moving arrays to and from it."""

from collections import deque
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from agejax.distributed.initialize import wait_for_all
from agejax.distributed.sharding import Layout
from agejax.errors import UserError
from agejax.types import Tree

_AHEAD = 2  # calls of the train step by which the host may run ahead


def make_mesh() -> Mesh:
    """All devices along one axis, "data", with the devices of a process adjacent.

    All processes must call it.
    """
    if jax.process_count() > 1:  # collectives on CPUs fail unless set up within 30 seconds
        wait_for_all("mesh")
        multihost_utils.sync_global_devices("mesh")
    devices = sorted(jax.devices(), key=lambda device: (device.process_index, device.id))
    return Mesh(np.array(devices), ("data",), axis_types=(AxisType.Auto,))


def replicated(mesh: Mesh) -> NamedSharding:
    """Every device holds the whole array."""
    return NamedSharding(mesh, PartitionSpec())


def own_shard() -> tuple[int, int]:
    """(i, k): this process reads the i-th of k slices of every batch."""
    return jax.process_index(), jax.process_count()


def put_batch(mesh: Mesh, batch: Any, stacked: bool = False) -> Any:
    """This process's rows of a batch, or of a stack of batches -> global arrays, split by row."""
    rows = NamedSharding(mesh, PartitionSpec(None, "data") if stacked else PartitionSpec("data"))
    return jax.tree.map(lambda x: jax.make_array_from_process_local_data(rows, x), batch)


def put(tree: Tree, shardings: Any) -> Tree:
    """Arrays that are equal in all processes -> global arrays.

    `shardings` is a single one, or one for each array.
    """
    if jax.process_count() == 1:
        return jax.device_put(tree, shardings)
    if isinstance(shardings, NamedSharding):
        shardings = jax.tree.map(lambda x: shardings, tree)

    def globally(x: Any, sharding: NamedSharding) -> jax.Array:
        x = np.asarray(x)
        return jax.make_array_from_callback(x.shape, sharding, lambda index: x[index])

    return jax.tree.map(globally, tree, shardings)


def put_whole(mesh: Mesh, tree: Tree) -> Tree:
    """Like `put`, replicated on every device."""
    return put(tree, replicated(mesh))


def whole(mesh: Mesh, tree: Tree) -> Tree:
    """Global arrays with any sharding -> replicated on every device."""
    return jax.jit(_same, out_shardings=replicated(mesh))(tree)


def _same(tree: Tree) -> Tree:
    return tree


def layout_of(mesh: Mesh, fsdp_above: float | None) -> Layout | None:
    """How the devices of a mesh store the state; None for a single device.

    `fsdp_above` is in MiB.
    """
    if mesh.size == 1:
        return None
    return Layout(mesh, None if fsdp_above is None else fsdp_above * 2**20)


def fetch(tree: Tree) -> Tree:
    """Global arrays -> complete NumPy arrays in every process; all processes must call it."""
    if jax.process_count() == 1:
        return jax.device_get(tree)
    return multihost_utils.process_allgather(tree, tiled=True)


class Highest:
    """The maximum over all processes of the numbers passed to the same call.

    With several processes it returns the maximum of two calls earlier, so that no process waits.
    """

    def __init__(self, mesh: Mesh):
        """For the processes of a mesh."""
        self._mesh = mesh
        self._highest = jax.jit(jnp.max, out_shardings=replicated(mesh))
        self._under_way: deque[jax.Array] = deque()

    def __call__(self, number: int) -> int:
        """Submits a number and returns the maximum."""
        if jax.process_count() == 1:
            return number
        mine = np.full(jax.local_device_count(), number, np.int32)
        self._under_way.append(self._highest(put_batch(self._mesh, mine)))
        return int(self._under_way.popleft()) if len(self._under_way) > _AHEAD else 0


def check_batch_size(mesh: Mesh, key: str, batch_size: int, parts: int = 1) -> None:
    """Raises `UserError` if `parts` of a batch cannot be split equally over all devices."""
    unit = mesh.size * parts
    if batch_size % unit:
        raise UserError(
            f"config.{key} is {batch_size}, which cannot be split equally over {mesh.size} devices"
            f"{f' in {parts} parts' if parts > 1 else ''}; "
            f"{max(unit, round(batch_size / unit) * unit)} works"
        )
