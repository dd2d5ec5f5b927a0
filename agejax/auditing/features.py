"""What a trained model makes of each face: its features, its predictions, and a small picture."""

import dataclasses
import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from agejax.checkpoints.shipped import Shipped
from agejax.config import to_json
from agejax.data.decode import grey
from agejax.data.faces import Faces
from agejax.data.npz import read_npz
from agejax.data.stream import Loader, eval_batches
from agejax.kernels.cpu import compiler_options, use_onednn
from agejax.types import Weights
from agejax.utils.files import replacing
from agejax.utils.notes import bar, note

TASKS = ("age", "gender")
SMALL = 16  # side of the grey pictures by which nearly identical images are found
_BATCH = 64
_PIECE = 8192  # faces after which the cache is written: an interrupted call goes on from there
_VERSION = "1"


@dataclasses.dataclass(frozen=True)
class Features:
    """Of N faces, in their order.

    Attributes:
      trunk: float32 [N, F], the features of the trunk.
      read: {task: float32 [N, classes]}, the model's own predictions, not calibrated.
      small: uint8 [N, SMALL, SMALL], the image in grey.
      readable: bool [N], whether the image could be decoded; the others' rows are zero.
    """

    trunk: np.ndarray
    read: Mapping[str, np.ndarray]
    small: np.ndarray
    readable: np.ndarray

    def __len__(self) -> int:
        return len(self.trunk)


def features_of(shipped: Shipped, faces: Faces, cache: Path | None = None) -> Features:
    """The features of all faces; those in the file `cache` are not computed again.

    Args:
      shipped: a trained model.
      faces: N faces; images that cannot be decoded are reported and marked.
      cache: a `.npz` file, written every few thousand faces. It is keyed by the model and by each
        image's hash, so that labels may change, and rows may come and go.
    """
    key = _identity(shipped)
    kept = _stored(cache, key) if cache else {}
    images, first = np.unique(faces.sha256, return_index=True)
    missing = np.sort(first[~np.isin(images, kept["sha256"])] if kept else first)
    if cache and 0 < len(missing) < len(images):
        note(f"{cache}: the features of {len(images) - len(missing):,} images are there already")
    shown = {"total": len(missing), "desc": "features", "unit": "face", "leave": False, "delay": 1}
    with bar(**shown) as done:
        step = _step(shipped)
        for start in range(0, len(missing), _PIECE):
            some = np.isin(np.arange(len(faces)), missing[start : start + _PIECE])
            new = _computed(shipped, step, faces.where(some), done)
            kept = {name: np.concatenate([kept[name], of]) if kept else of
                    for name, of in new.items()}  # fmt: skip
            if cache:
                with replacing(cache) as beside, beside.open("wb") as file:
                    np.savez(file, key=np.array(key), **kept)  # type: ignore[arg-type]
    order = np.argsort(kept["sha256"])
    rows = order[np.searchsorted(kept["sha256"], faces.sha256, sorter=order)]
    return Features(
        kept["trunk"][rows].astype(np.float32),
        {task: kept[task][rows] for task in TASKS if task in kept},
        kept["small"][rows],
        kept["readable"][rows],
    )


def _computed(shipped: Shipped, step: Any, faces: Faces, done: Any) -> dict[str, np.ndarray]:
    """The columns of a cache file, of faces with different images."""
    size, weights = shipped.config.data.size, jax.device_put(shipped.weights)
    loader = Loader(faces, size=size, workers=2, max_unreadable=1.0, report=_said)
    parts = []
    for batch in eval_batches(loader, batch_size=_BATCH):
        trunk, read = jax.device_get(step(weights, batch["image"]))
        small = np.stack([grey(x, SMALL) for x in batch["image"]])
        parts.append({"trunk": trunk.astype(np.float16), **read, "small": small})
        done.update(min(_BATCH, len(faces) - _BATCH * (len(parts) - 1)))
    columns = {
        name: np.concatenate([part[name] for part in parts])[: len(faces)] for name in parts[0]
    }
    readable = ~loader.quarantine.bad
    for of in columns.values():
        of[~readable] = 0
    return columns | {"readable": readable, "sha256": faces.sha256}


def _said(path: str, why: str) -> None:
    note(f"{path}: cannot be decoded ({why}); its labels are not audited")


def _step(shipped: Shipped) -> Callable[[Weights, Any], Any]:
    """A jitted (weights, uint8 [B, H, W, 3]) -> (features [B, F], {task: probabilities})."""
    use_onednn()
    graph = shipped.graph

    def step(weights: Weights, image: jax.Array) -> tuple[jax.Array, dict[str, jax.Array]]:
        model = graph.merge(weights["params"], weights["stats"])
        features = model.features(image)
        read = model.probabilities(model.logits(features))
        leaves = [x.astype(jnp.float32) for x in jax.tree.leaves(features)]
        return jnp.concatenate(leaves, axis=-1), {t: read[t] for t in TASKS if t in read}

    return jax.jit(step, compiler_options=compiler_options())


def _identity(shipped: Shipped) -> str:
    """A hash of the model and of how its features are stored."""
    model = json.dumps(json.loads(to_json(shipped.config))["model"], sort_keys=True)
    digest = hashlib.sha256(f"{_VERSION} {shipped.config.data.size} {model}".encode())
    for x in jax.tree.leaves(dict(shipped.weights)):
        digest.update(np.ascontiguousarray(x).view(np.uint8).data)
    return digest.hexdigest()


def _stored(file: Path, key: str) -> dict[str, np.ndarray]:
    """The columns of a cache file; {}, with a note, if it is of another model or damaged."""
    if not file.is_file():
        return {}
    try:
        columns = read_npz(file)
        if str(columns.pop("key", "")) != key:
            note(f"{file}: of another model; the features are computed again")
            return {}
        n = len(columns["sha256"])
        shapes = {"trunk": 2, "small": 3, "readable": 1}
        if any(columns[name].ndim != d for name, d in shapes.items()) or any(
            len(of) != n for of in columns.values()
        ):
            raise ValueError("its columns have odd shapes")
    except Exception as error:  # zipfile, zlib and NumPy raise different types
        note(f"{file}: damaged ({error}); the features are computed again")
        return {}
    return columns
