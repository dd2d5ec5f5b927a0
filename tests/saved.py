"""Checkpoints of a state so small that it is saved and read a thousand times, and their damage."""

import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from agejax.checkpoints.checkpoint import Checkpoints

CONFIG = '{"seed": 0}'


def state(step):
    """A training state in which every array tells its step."""
    rng = np.random.default_rng(step)
    weights = lambda: jnp.asarray(rng.normal(size=(60, 40)), jnp.float32)
    layer = lambda: {"w": weights(), "b": jnp.ones(5) * step}
    return {
        "step": jnp.int32(step),
        "params": {"one": layer(), "two": layer()},
        "stats": {"mean": jnp.full(5, step, jnp.float32)},
        "opt": {"mu": {"one": layer(), "two": layer()}, "count": jnp.int32(step)},
        "ema": {"params": {"one": layer(), "two": layer()}, "stats": {"mean": jnp.zeros(5)}},
        "window": {"loss": jnp.float32(step), "refused": jnp.int32(0)},
        "refused": jnp.int32(0),
    }


def save(workdir: Path, *steps: int, mae=lambda step: 1 / step) -> Checkpoints:
    """Saves those steps, each better than the one before it unless `mae` says otherwise."""
    checkpoints = Checkpoints(workdir)
    for step in steps:
        checkpoints.save(state(step), CONFIG, mae(step))
    return checkpoints


def same(a, b) -> bool:
    """Whether two states are equal bit for bit."""
    a, b = (jax.tree.map(np.asarray, tree) for tree in (a, b))
    if jax.tree.structure(a) != jax.tree.structure(b):
        return False
    pairs = zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True)
    return all(x.dtype == y.dtype and x.tobytes() == y.tobytes() for x, y in pairs)


def files(folder: Path) -> list[Path]:
    """All files below it, in order."""
    return sorted(path for path in folder.rglob("*") if path.is_file())


def contents(folder: Path) -> dict[str, bytes]:
    """All that is in a folder."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files(folder)}


KINDS = ("bit flip", "truncation", "deletion", "swap", "overwriting", "whole file of another step")


def damage(folder: Path, kind: str, rng: random.Random, other: Path) -> str:
    """Damages one random file of a checkpoint; tells which. `other` is a checkpoint beside it."""
    there = [path for path in files(folder) if path.stat().st_size]
    sizes = [path.stat().st_size for path in there]
    by_size = kind in ("bit flip", "overwriting")  # as rot hits a disk; else each file alike
    (file,) = rng.choices(there, sizes if by_size else None)
    data = bytearray(file.read_bytes())
    match kind:
        case "bit flip":
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
            file.write_bytes(data)
        case "truncation":
            file.write_bytes(data[: rng.randrange(len(data))])
        case "deletion":
            file.unlink()
        case "overwriting":
            at = rng.randrange(len(data))
            piece = data[at : at + rng.randint(1, 64)]
            data[at : at + len(piece)] = bytes(255 - byte for byte in piece)
            file.write_bytes(data)
        case "swap":
            second = rng.choice([p for p in there if p.read_bytes() != data])
            file.write_bytes(second.read_bytes())
            second.write_bytes(data)
        case "whole file of another step":
            candidates = [
                (ours, theirs)
                for ours in there
                if (theirs := other / ours.relative_to(folder)).is_file()
                and theirs.read_bytes() != ours.read_bytes()
            ]
            file, theirs = rng.choice(candidates)
            shutil.copy(theirs, file)
    return file.relative_to(folder).as_posix()


def damaged(
    folder: Path, other: Path, n: int, seed: int, into: Path
) -> Iterator[tuple[str, str, Path]]:
    """`n` damaged copies of a checkpoint, one after the other in `into`: kind, file, copy."""
    rng = random.Random(seed)
    for i in range(n):
        shutil.rmtree(into, ignore_errors=True)
        shutil.copytree(folder, into)
        kind = KINDS[i % len(KINDS)]
        yield kind, damage(into, kind, rng, other), into
