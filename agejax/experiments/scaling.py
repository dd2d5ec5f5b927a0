"""The communication of a training step between devices, found by compiling it for fake devices.

XLA partitions a program in the same way for fake CPU devices as for real ones. Convolutions are
compiled as on accelerators.
"""

import dataclasses
import math
import re
from collections.abc import Iterator, Sequence

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec
from ml_collections import ConfigDict

from agejax.config import validation
from agejax.distributed.mesh import layout_of
from agejax.errors import UserError
from agejax.kernels.dispatch import portable
from agejax.steps.model_factory import abstract_model
from agejax.steps.step import init_state
from agejax.steps.step_factory import train_step_of
from agejax.types import Batch, Tree

_KINDS = "all-reduce|all-gather|reduce-scatter|all-to-all|collective-permute"
_COLLECTIVE = re.compile(rf" = (\(.*?\)|\S+) ({_KINDS})(?:-start)?\(")
_ARRAY = re.compile(r"\b([a-z]+)(\d*)\[([\d,]*)\]")
_LATENCY = 5e-6  # seconds per hop


@dataclasses.dataclass(frozen=True)
class Exchange:
    """The communication between the devices of a mesh in one step.

    Attributes:
      devices: number of devices.
      bytes: {kind of collective: bytes of its results on a device}.
      calls: {kind: number of calls in the program}.
      gradient: bytes of the trainable weights, and so of their gradient.
      state: bytes of weights, averages and optimiser state stored on a device.
    """

    devices: int
    bytes: dict[str, int]
    calls: dict[str, int]
    gradient: int
    state: int

    def seconds(self, bandwidth: float) -> float:
        """Estimated time of all collectives, run sequentially in rings.

        An all-reduce sends its bytes 2 (n - 1) / n times, all others (n - 1) / n times (Thakur,
        Rabenseifner, Gropp, "Optimization of collective communication operations in MPICH", 2005).
        Each hop has a latency of 5 us.

        Args:
          bandwidth: of each device's link, bytes per second.
        """
        n, total = self.devices, 0.0
        for kind, size in self.bytes.items():
            rounds = 2 if kind == "all-reduce" else 1
            sent = size if kind != "reduce-scatter" else size * n
            total += rounds * (n - 1) / n * sent / bandwidth
            total += rounds * self.calls[kind] * math.ceil(math.log2(n)) * _LATENCY
        return total


def exchange(config: ConfigDict, devices: int) -> Exchange:
    """The communication of the config's train step; the batch is rounded up to fit the devices.

    Raises:
      UserError: a setting is invalid, or there are fewer devices, real or fake.
    """
    validation.check(config)
    validation.check_trainable(config)
    if devices > jax.device_count():
        raise UserError(f"there are only {jax.device_count()} devices, including fake ones")
    config = config.copy_and_resolve_references()
    config.train.steps_per_call = 1
    mesh = Mesh(np.array(jax.devices()[:devices]), ("data",), axis_types=(AxisType.Auto,))
    layout = layout_of(mesh, config.train.fsdp_above)
    graph, weights = abstract_model(config)
    optimizer, train_step = train_step_of(config, graph, layout=layout)
    state = jax.eval_shape(lambda w: init_state(graph, w, optimizer, config.train.ema > 0), weights)
    whole = NamedSharding(mesh, PartitionSpec())
    kept = layout.shardings(state) if layout else jax.tree.map(lambda _: whole, state)
    rows = jax.tree.map(lambda _: NamedSharding(mesh, PartitionSpec("data")), _batch(config, mesh))
    with portable():
        lowered = train_step.lower(  # type: ignore[attr-defined]
            _placed(state, kept), _placed(_batch(config, mesh), rows), None
        )
    calls, sizes = _collectives(lowered.compile().as_text())
    return Exchange(
        devices,
        sizes,
        calls,
        gradient=_bytes(weights["params"]),
        state=sum(
            math.prod(sharding.shard_shape(x.shape)) * x.dtype.itemsize
            for x, sharding in zip(jax.tree.leaves(state), jax.tree.leaves(kept), strict=True)
        ),
    )


def exchange_lines(
    config: ConfigDict, devices: Sequence[int], link: float, step: float | None
) -> Iterator[str]:
    """Yields a line for each number of devices and, given `step`, an estimate of the efficiency.

    Args:
      config: see `agejax.config.default`.
      devices: the numbers of devices.
      link: GB/s of each device's link.
      step: ms that a device takes for its rows of a batch.
    """
    for n in devices:
        found = exchange(config, n)
        each = ", ".join(
            f"{kind} {size / 2**20:.2f} MiB in {found.calls[kind]}"
            for kind, size in found.bytes.items()
        )
        yield (
            f"{n:,} devices: {each or 'nothing exchanged'}; gradients {found.gradient / 2**20:.2f} "
            f"MiB; state per device {found.state / 2**20:.2f} MiB"
        )
        if step is None:
            continue
        waits = found.seconds(link * 1e9) * 1e3
        yield (
            f"  estimate at {link:g} GB/s per device and {step:g} ms for its rows: {waits:.2f} ms "
            f"of exchange, {step / (step + waits):.0%} efficiency without overlap"
        )


def _collectives(program: str) -> tuple[dict[str, int], dict[str, int]]:
    """The calls and the bytes of each kind of collective in a compiled program's text."""
    calls: dict[str, int] = {}
    sizes: dict[str, int] = {}
    for result, kind in _COLLECTIVE.findall(program):
        calls[kind] = calls.get(kind, 0) + 1
        sizes[kind] = sizes.get(kind, 0) + sum(
            math.prod(int(n) for n in shape.split(",") if n) * max(int(bits or 8) // 8, 1)
            for _, bits, shape in _ARRAY.findall(result)
        )
    return calls, sizes


def _batch(config: ConfigDict, mesh: Mesh) -> Batch:
    unit = mesh.size * config.train.accumulate
    n, size = -(-config.train.batch_size // unit) * unit, config.data.size
    of = lambda dtype, *shape: jax.ShapeDtypeStruct((n, *shape), dtype)
    return Batch(
        image=of(np.uint8, size, size, 3),
        labels={task: of(np.int32) for task in config.tasks},
        known={task: of(np.bool_) for task in config.tasks},
        mask=of(np.bool_),
    )


def _placed(tree: Tree, shardings: Tree) -> Tree:
    return jax.tree.map(
        lambda x, sharding: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=sharding),
        tree,
        shardings,
    )


def _bytes(tree: Tree) -> int:
    return sum(x.size * x.dtype.itemsize for x in jax.tree.leaves(tree))
