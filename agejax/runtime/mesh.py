"""One mesh over all devices, and how arrays get onto it."""

from typing import Any

import jax
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from agejax.errors import UserError


def make_mesh() -> Mesh:
    """All devices along one axis, "data"."""
    return jax.make_mesh((jax.device_count(),), ("data",), axis_types=(AxisType.Auto,))


def replicated(mesh: Mesh) -> NamedSharding:
    """Every device holds the whole array."""
    return NamedSharding(mesh, PartitionSpec())


def put_batch(mesh: Mesh, batch: Any, stacked: bool = False) -> Any:
    """This process's rows of a batch, or of a stack of batches -> global arrays, split by row."""
    rows = NamedSharding(mesh, PartitionSpec(None, "data") if stacked else PartitionSpec("data"))
    return jax.tree.map(lambda x: jax.make_array_from_process_local_data(rows, x), batch)


def check_batch_size(mesh: Mesh, key: str, batch_size: int, parts: int = 1) -> None:
    """Raises a `UserError` where `parts` of a batch cannot be shared equally by all devices."""
    unit = mesh.size * parts
    if batch_size % unit:
        raise UserError(
            f"config.{key} is {batch_size}, which {mesh.size} devices cannot share equally"
            f"{f' in {parts} parts' if parts > 1 else ''}; "
            f"{max(unit, round(batch_size / unit) * unit)} would do"
        )
